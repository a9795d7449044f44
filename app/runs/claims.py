"""The worker's side of a run: claim, renew, report, end; and the sweep that repairs what was lost.

Every write is fenced by run id, attempt and state, so that a worker that lost its lease cannot complete.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, after_commit, read, write
from app.core.logging import get_logger
from app.core.settings import get_settings
from app.runs.broker import announce
from app.runs.errors import LostLease
from app.runs.lifecycle import change_state
from app.runs.models import Run, RunState
from app.runs.schemas import Claim, Progress, Wishes
from app.runs.service import request_run

log = get_logger(__name__)


def worker_name() -> str:
    """This process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_dead_here(worker: str | None) -> bool:
    """Whether `worker` was a process of this host that no longer exists."""
    host, _, process = (worker or "").rpartition(":")
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _lease_end() -> timedelta:
    return timedelta(seconds=get_settings().run_lease_seconds)


def claim(run_id: int) -> Claim | None:
    """Take a queued run, or one whose worker on this host has died. None: gone, ended, or somebody else's."""
    with write() as session:
        run = session.get(Run, run_id)
        if run is None:
            log.warning("announced run does not exist", run_id=run_id)
            return None
        if run.state == RunState.RUNNING and _is_dead_here(run.worker):
            requeue(session, run, reason=f"worker {run.worker} died")
        taken = change_state(
            session,
            run_id,
            from_state=RunState.QUEUED,
            to_state=RunState.RUNNING,
            attempt=run.attempt,
            reason=f"claimed by {worker_name()}",
            worker=worker_name(),
            lease_until=now() + _lease_end(),
            started_at=run.started_at or now(),
        )
        if not taken:
            return None
        return Claim(run_id, run.project_id, run.kind, run.attempt, run.throwaway, run.parameters, run.created_by)


def requeue(session: Session, run: Run, *, reason: str) -> bool:
    """Give a lost run back to the queue with its attempt raised, which fences out the worker that lost it."""
    moved = change_state(
        session,
        run.id,
        from_state=RunState.RUNNING,
        to_state=RunState.QUEUED,
        attempt=run.attempt,
        reason=reason,
        announced_at=now(),
        lease_until=None,
        worker=None,
        new_attempt=run.attempt + 1,
    )
    session.refresh(run)
    return moved


def _fenced(claimed: Claim) -> tuple[ColumnElement[bool], ...]:
    return (Run.id == claimed.run_id, Run.attempt == claimed.attempt, Run.state == RunState.RUNNING)


def renew(claimed: Claim, progress: Progress | None) -> Wishes:
    """Prolong the lease, store progress if there is news, and return what people asked. Raises LostLease."""
    values: dict[str, object] = {"lease_until": now() + _lease_end()}
    if progress is not None:
        values |= {
            "progress_done": progress.done,
            "progress_total": progress.total,
            "progress_note": progress.note[:300],
            "progress": progress.live,
            "progress_version": Run.progress_version + 1,
        }
    with write() as session:
        row = session.execute(
            update(Run)
            .where(*_fenced(claimed))
            .values(**values)
            .returning(Run.cancel_requested_at, Run.stop_requested_at)
        ).one_or_none()
    if row is None:
        raise LostLease(f"run {claimed.run_id} is no longer at attempt {claimed.attempt}")
    return Wishes(cancel=row[0] is not None, stop=row[1] is not None)


def complete(session: Session, claimed: Claim, *, result: Json, stopped_early: bool = False) -> None:
    """End a run as a success, inside the write session that registers what it made; request what follows.

    Raises LostLease when another attempt has the run: the caller's whole transaction is then rolled back.
    """
    if not _end(session, claimed, RunState.SUCCEEDED, "done", result=result, stopped_early=stopped_early):
        raise LostLease(f"run {claimed.run_id} is no longer at attempt {claimed.attempt}")
    follow_ups = session.scalar(select(Run.follow_ups).where(Run.id == claimed.run_id)) or []
    for asked in follow_ups:
        request_run(
            session,
            project_id=claimed.project_id,
            created_by=claimed.created_by,
            follows_run_id=claimed.run_id,
            **{**asked, "parameters": _filled(asked["parameters"], result)},
        )


def _filled(parameters: Mapping[str, object], result: Json) -> Json:
    """Replace "$result.NAME" by what the finished run's result holds under NAME."""
    mark = "$result."
    return {
        key: result[value.removeprefix(mark)] if isinstance(value, str) and value.startswith(mark) else value
        for key, value in parameters.items()
    }


def fail(claimed: Claim, *, code: str, message: str) -> bool:
    """End a run as a failure with a reason in plain words. False when another attempt has it."""
    with write() as session:
        return _end(session, claimed, RunState.FAILED, message, error_code=code, error_message=message)


def mark_cancelled(claimed: Claim) -> bool:
    """End a run as cancelled. False when another attempt has it."""
    with write() as session:
        return _end(session, claimed, RunState.CANCELLED, "cancelled on request")


def give_back(claimed: Claim, *, reason: str) -> None:
    """Put a run back into the queue when its process is asked to end before it is done."""
    with write() as session:
        run = session.get(Run, claimed.run_id)
        if run is not None and run.attempt == claimed.attempt:
            requeue(session, run, reason=reason)


def _end(session: Session, claimed: Claim, state: RunState, reason: str, **values: Any) -> bool:
    return change_state(
        session,
        claimed.run_id,
        from_state=RunState.RUNNING,
        to_state=state,
        attempt=claimed.attempt,
        reason=reason[:300],
        finished_at=now(),
        lease_until=None,
        **values,
    )


def sweep() -> int:
    """Find lost work: requeue runs whose lease ran out or whose worker died, announce what waits. Returns how many.

    Due each minute or so; safe to run twice at once and at any time.
    """
    stale_before = now() - timedelta(seconds=max(10, get_settings().sweep_seconds))
    with read() as session:
        running = session.execute(
            select(Run.id, Run.worker, Run.lease_until).where(Run.state == RunState.RUNNING)
        ).all()
        lost = [row.id for row in running if row.lease_until < now() or _is_dead_here(row.worker)]
        waiting = session.scalars(
            select(Run.id).where(Run.state == RunState.QUEUED, Run.announced_at < stale_before).limit(500)
        ).all()
    for run_id in lost:
        with write() as session:
            run = session.get(Run, run_id)
            if run is not None and requeue(session, run, reason=f"worker {run.worker} was lost"):
                _announce_after(session, run)
    for run_id in waiting:
        with write() as session:
            run = session.get(Run, run_id)
            if run is not None and run.state == RunState.QUEUED:
                run.announced_at = now()
                _announce_after(session, run)
    return len(lost) + len(waiting)


def _announce_after(session: Session, run: Run) -> None:
    run_id, kind, queue = run.id, run.kind, run.queue
    after_commit(session, lambda: announce(run_id, kind=kind, queue=queue))
