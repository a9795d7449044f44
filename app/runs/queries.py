"""Reading runs: one, the newest, those under way; each as a frozen value that pages and streams share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, case, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.core.database import Json
from app.core.errors import NotFound
from app.runs.kinds import ASSISTING, RUN_KINDS, UNLISTED_KINDS
from app.runs.models import Run, RunState, RunTransition

ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as people see it."""

    id: int
    kind: str
    title: str
    state: str
    throwaway: bool
    parameters: Json
    follows_run_id: int | None
    attempt: int
    done: int
    total: int
    note: str
    live: Json
    version: int
    cancel_requested: bool
    stop_requested: bool
    stopped_early: bool
    result: Json
    error_code: str | None
    error_message: str | None
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def kind_title(self) -> str:
        """The kind in words."""
        return RUN_KINDS[self.kind].title if self.kind in RUN_KINDS else self.kind

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED

    @property
    def percent(self) -> int | None:
        """How far it is, 0 to 100; None where the end is not known."""
        return round(100 * min(self.done, self.total) / self.total) if self.total else None

    @property
    def seconds(self) -> float | None:
        """How long it has taken."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.finished_at or now()) - self.started_at).total_seconds())

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to the end: as the work says, else by what is done so far."""
        if self.state != RunState.RUNNING:
            return None
        if isinstance(told := self.live.get("eta_seconds"), int | float):
            return float(told)
        if not self.done or not self.total or self.seconds is None:
            return None
        return self.seconds / self.done * max(0, self.total - self.done)

    @property
    def mark(self) -> str:
        """Changes whenever the run does."""
        return f"{self.version}.{int(self.cancel_requested)}{int(self.stop_requested)}"

    def to_public(self) -> Json:
        """For the JSON API and the stream: plain values, times in ISO 8601."""
        return {
            "id": self.id,
            "kind": self.kind,
            "kind_title": self.kind_title,
            "title": self.title,
            "state": self.state,
            "throwaway": self.throwaway,
            "follows_run_id": self.follows_run_id,
            "attempt": self.attempt,
            "done": self.done,
            "total": self.total,
            "percent": self.percent,
            "note": self.note,
            "live": self.live,
            "seconds": self.seconds,
            "eta_seconds": self.eta_seconds,
            "cancel_requested": self.cancel_requested,
            "stop_requested": self.stop_requested,
            "stopped_early": self.stopped_early,
            "result": self.result,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "created_by": self.created_by,
            "created_at": self.created_at.isoformat(),
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
        }


@dataclass(frozen=True, slots=True)
class TransitionView:
    """One change of state."""

    from_state: str | None
    to_state: str
    attempt: int
    reason: str
    at: datetime


def _runs() -> Select[Run, str]:
    return select(Run, User.name).outerjoin(User, User.id == Run.created_by)


def _views(session: Session, statement: Select[Run, str]) -> list[RunView]:
    return [
        RunView(
            id=run.id,
            kind=run.kind,
            title=run.title,
            state=run.state,
            throwaway=run.throwaway,
            parameters=run.parameters,
            follows_run_id=run.follows_run_id,
            attempt=run.attempt,
            done=run.progress_done,
            total=run.progress_total,
            note=run.progress_note,
            live=run.progress,
            version=run.progress_version,
            cancel_requested=run.cancel_requested_at is not None,
            stop_requested=run.stop_requested_at is not None,
            stopped_early=run.stopped_early,
            result=run.result or {},
            error_code=run.error_code,
            error_message=run.error_message,
            created_by=name,
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
        )
        for run, name in session.execute(statement)
    ]


def run_view(session: Session, run_id: int, project_id: int) -> RunView:
    """One run of this project. Raises NotFound."""
    found = _views(session, _runs().where(Run.id == run_id, Run.project_id == project_id))
    if not found:
        raise NotFound(f"no run {run_id} in this project")
    return found[0]


def runs_by_id(session: Session, run_ids: Sequence[int]) -> list[RunView]:
    """These runs, whatever their project; for the stream, which has checked the project before."""
    return _views(session, _runs().where(Run.id.in_(run_ids)))


def newest_runs(
    session: Session,
    project_id: int,
    before: int | None = None,
    limit: int = 50,
    kind: str | None = None,
    state: str | None = None,
) -> list[RunView]:
    """Runs of a project, newest first; `before` is the id that ended the page before."""
    statement = _runs().where(Run.project_id == project_id)
    if not kind:
        statement = statement.where(Run.kind.not_in(UNLISTED_KINDS))
    for column, wanted in ((Run.kind, kind), (Run.state, state)):
        if wanted:
            statement = statement.where(column == wanted)
    if before is not None:
        statement = statement.where(Run.id < before)
    return _views(session, statement.order_by(Run.id.desc()).limit(limit))


def open_runs(session: Session, project_id: int, limit: int = 20) -> list[RunView]:
    """What runs or waits now; the running ones first, then in the order in which they were asked for."""
    statement = _runs().where(Run.project_id == project_id, Run.state.in_((RunState.RUNNING, RunState.QUEUED)))
    statement = statement.where(Run.kind != ASSISTING)
    running_first = case((Run.state == RunState.RUNNING, 0), else_=1)
    return _views(session, statement.order_by(running_first, Run.id).limit(limit))


def following_runs(session: Session, run_id: int) -> list[RunView]:
    """Runs that this one's success asked for."""
    return _views(session, _runs().where(Run.follows_run_id == run_id).order_by(Run.id))


def transitions(session: Session, run_id: int) -> list[TransitionView]:
    """Every change of state, in order."""
    rows = session.scalars(select(RunTransition).where(RunTransition.run_id == run_id).order_by(RunTransition.id))
    return [TransitionView(row.from_state, row.to_state, row.attempt, row.reason, row.at) for row in rows]
