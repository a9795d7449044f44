"""The job that a version's standing runs share: who works on it, what it has seen, how far behind it is.

One run at a time works on a standing job. A run that comes while another is at it counts up `asked` and ends; the one
at work looks again before it ends, in the transaction that would end it, so that no request is lost between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows, insert_into
from app.identification.chunk_models import StandingJob
from app.identification.chunks import Holder
from app.identification.standing import coalesce_key, standing_job
from app.identification.views import OPEN_STATES
from app.library.models import Image, ImageCount
from app.predictions.counts import class_counts
from app.predictions.models import Prediction, ScoringJob
from app.registry.queries import production
from app.runs.models import Run, RunState

# Ids are given before their rows are committed: what came in late is looked for so far below what was seen.
OVERLAP: Final = 20_000
_MOST_UNREADABLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """A run's turn at a standing job: look above `after`; `asked` tells whether somebody asked meanwhile."""

    job_id: int
    after: int
    asked: int
    unreadable_ids: frozenset[int]


def take_turn(session: Session, project_id: int, job_id: int, holder: Holder) -> Turn | int:
    """Take the job, within a write session; or the id of the run that has it, which will look again."""
    row = {"job_id": job_id, "project_id": project_id, "asked": 0, "seen_until": 0, "looked_until": 0}
    statement = insert_into(session, StandingJob).on_conflict_do_nothing(index_elements=["job_id"])
    session.connection().execute(statement, [row | {"unreadable_ids": []}])
    of_job = StandingJob.job_id == job_id
    # The count goes first: it locks the row, so that whoever has the job cannot end before it is seen.
    session.execute(update(StandingJob).where(of_job).values(asked=StandingJob.asked + 1))
    is_held = exists().where(
        Run.id == StandingJob.run_id,
        Run.attempt == StandingJob.run_attempt,
        Run.state == RunState.RUNNING,
        Run.lease_until > now(),
        Run.id != holder.run_id,
    )
    taken = session.connection().execute(
        update(StandingJob)
        .where(of_job, or_(StandingJob.run_id.is_(None), ~is_held))
        .values(run_id=holder.run_id, run_attempt=holder.attempt)
    )
    job = session.get_one(StandingJob, job_id, populate_existing=True)
    if taken.rowcount == 0:
        return job.run_id or 0
    return Turn(job_id, max(0, job.seen_until - OVERLAP), job.asked, frozenset(job.unreadable_ids))


def end_turn(session: Session, turn: Turn, holder: Holder, *, seen_until: int, unreadable: list[int]) -> bool:
    """Leave the job as seen up to an id, within the write session that ends the run. False: somebody has asked."""
    is_own = (StandingJob.run_id == holder.run_id, StandingJob.run_attempt == holder.attempt)
    ended = session.connection().execute(
        update(StandingJob)
        .where(StandingJob.job_id == turn.job_id, StandingJob.asked == turn.asked, *is_own)
        .values(
            run_id=None,
            run_attempt=None,
            seen_until=seen_until,
            settled_at=now(),
            unreadable_ids=_still_unreadable(session, turn, unreadable),
        )
    )
    return ended.rowcount == 1


def leave(session: Session, turn: Turn, holder: Holder) -> None:
    """Leave the job unfinished: the next run begins where this one did."""
    is_own = (StandingJob.run_id == holder.run_id, StandingJob.run_attempt == holder.attempt)
    session.execute(
        update(StandingJob).where(StandingJob.job_id == turn.job_id, *is_own).values(run_id=None, run_attempt=None)
    )


def _still_unreadable(session: Session, turn: Turn, fresh: list[int]) -> list[int]:
    ids = sorted(turn.unreadable_ids | set(fresh))[-_MOST_UNREADABLE:]
    if not ids:
        return []
    is_scored = exists().where(
        Prediction.job_id == turn.job_id, Prediction.image_id == Image.id, Prediction.rotation == Image.rotation
    )
    query = select(Image.id).where(Image.id.in_(id_rows(session, ids)), Image.state.in_(OPEN_STATES), ~is_scored)
    return sorted(session.scalars(query))


@dataclass(frozen=True, slots=True)
class StandingView:
    """How far production's standing identification is. `waiting` of `images` are pool and unknowns not yet scored."""

    version_number: int
    job_id: int | None
    images: int
    waiting: int
    unreadable: int
    newest_arrival_at: datetime | None
    settled_at: datetime | None
    run_id: int | None
    run_state: str | None

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits."""
        return self.waiting == 0


def standing_view(session: Session, project_id: int) -> StandingView | None:
    """How far it is now, from kept counts alone; None while nothing is in production."""
    serving = production(session, project_id)
    if serving is None:
        return None
    job_id = standing_job(session, project_id, serving.version_id)
    job = session.get(StandingJob, job_id) if job_id else None
    counted = select(func.coalesce(func.sum(ImageCount.images), 0))
    of_project = (ImageCount.project_id == project_id, ImageCount.state.in_(OPEN_STATES))
    images = int(session.scalar(counted.where(*of_project)) or 0)
    scored = sum(count for _, count in class_counts(session, job_id, states=OPEN_STATES)) if job_id else 0
    unreadable = len(job.unreadable_ids) if job else 0
    newest = select(Image.created_at).where(Image.project_id == project_id).order_by(Image.id.desc()).limit(1)
    live = session.execute(
        select(Run.id, Run.state)
        .where(Run.project_id == project_id, Run.coalesce_key == coalesce_key(project_id))
        .where(Run.state.in_((RunState.RUNNING, RunState.QUEUED)))
        .order_by(Run.state.desc(), Run.id)
        .limit(1)
    ).one_or_none()
    return StandingView(
        version_number=serving.number,
        job_id=job_id,
        images=images,
        waiting=max(0, images - scored - unreadable),
        unreadable=unreadable,
        newest_arrival_at=session.scalar(newest),
        settled_at=job.settled_at if job else None,
        run_id=live[0] if live else None,
        run_state=live[1] if live else None,
    )


def version_of(session: Session, job_id: int) -> int:
    """The version that a job scores by."""
    return session.scalars(select(ScoringJob.version_id).where(ScoringJob.id == job_id)).one()
