"""The safety net of standing identification: what no event told of is found by looking, every few minutes.

Imports, served images and promotions ask for a standing run themselves. An image that comes back into the pool, that
was turned, or whose request was lost is found here: each look takes the next IDS_PER_ROUND ids of a project, so that
its cost is bounded, and a library of that many is looked through every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import read, write
from app.identification.chunk_models import StandingJob
from app.identification.schemas import Selection
from app.identification.standing import KIND, coalesce_key, request_standing, standing_job
from app.identification.waiting import Waiting, highest_id
from app.projects.models import Project
from app.registry.models import Deployment
from app.runs.models import Run, RunState

IDS_PER_ROUND: Final = 500_000
AFTER_A_FAILURE: Final = timedelta(hours=1)


def catch_up() -> int:
    """Ask for a standing run wherever an image waits for one; returns for how many projects."""
    with read() as session:
        serving = session.execute(
            select(Deployment.project_id, Deployment.version_id)
            .join(Project, Project.id == Deployment.project_id)
            .where(Deployment.is_active, Project.archived_at.is_(None))
            .order_by(Deployment.project_id)
        ).all()
    return sum(_catch_up(project_id, version_id) for project_id, version_id in serving)


def _catch_up(project_id: int, version_id: int) -> bool:
    with read() as session:
        if _is_live(session, project_id):
            return False
        job_id = standing_job(session, project_id, version_id)
        job = session.get(StandingJob, job_id) if job_id else None
    if job is None:
        with write() as session:
            return request_standing(session, project_id) is not None
    missed = _look(job)
    with write() as session:
        values = {"looked_until": missed.looked_until, "seen_until": missed.seen_until}
        unmoved = (StandingJob.job_id == job.job_id, StandingJob.seen_until == job.seen_until)
        session.execute(update(StandingJob).where(*unmoved).values(**values))
        return missed.is_waiting and request_standing(session, project_id) is not None


@dataclass(frozen=True, slots=True)
class _Missed:
    """Whether an image waits among those looked at, and what the job's marks are then."""

    is_waiting: bool
    seen_until: int
    looked_until: int


def _look(job: StandingJob) -> _Missed:
    waiting = Waiting(Selection(kind="open"), project_id=job.project_id, job_id=job.job_id, without=job.unreadable_ids)
    top = highest_id(job.project_id)
    low = job.looked_until if job.looked_until < top else 0
    high = min(top, low + IDS_PER_ROUND)
    found = [waiting.block(low, high, 1), waiting.block(job.seen_until, top, 1)]
    first_ids = [block.first_id for block in found if block]
    seen_until = min([first_id - 1 for first_id in first_ids] + ([job.seen_until] if found[1] else [top]))
    return _Missed(bool(first_ids), seen_until, high)


def _is_live(session: Session, project_id: int) -> bool:
    """Whether a standing run waits or is at work, or one that did not succeed has just ended: not again at once."""
    newest = select(Run.state, Run.finished_at).where(
        Run.project_id == project_id, Run.kind == KIND, Run.coalesce_key == coalesce_key(project_id)
    )
    found = session.execute(newest.order_by(Run.id.desc()).limit(1)).one_or_none()
    if found is None or found[0] == RunState.SUCCEEDED:
        return False
    return found[1] is None or found[1] > now() - AFTER_A_FAILURE
