"""Jobs whose results somebody still reads: the standing one, what saved views and runs in hand name, the unknowns'."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.identification.chunk_models import ChunkPlan, StandingJob, UnknownsLook
from app.identification.fields import NAME
from app.library.models import SavedView
from app.predictions.models import ScoringJob
from app.registry.models import Deployment
from app.registry.queries import production
from app.runs.models import Run, RunState

_IN_A_FILTER: Final = re.compile(rf"\b{NAME}=(\d+)")
_IN_HAND: Final = (RunState.QUEUED, RunState.RUNNING)


def jobs_in_use(session: Session, project_id: int) -> dict[int, str]:
    """Jobs of the project that are needed, each with the reason."""
    needed: dict[int, str] = {}
    plans = select(ChunkPlan.job_id).join(ScoringJob, ScoringJob.id == ChunkPlan.job_id)
    needed |= dict.fromkeys(
        session.scalars(plans.where(ScoringJob.project_id == project_id)), "an identification that can go on"
    )
    looks = select(UnknownsLook.previous_job_id, UnknownsLook.job_id).where(UnknownsLook.project_id == project_id)
    newest = session.execute(looks.order_by(UnknownsLook.job_id.desc()).limit(1)).one_or_none()
    if newest is not None:
        needed |= dict.fromkeys(newest, "what became of the unknowns")
    if serving := production(session, project_id):
        standing = select(StandingJob.job_id).join(ScoringJob, ScoringJob.id == StandingJob.job_id)
        of_project = (Deployment.project_id == project_id, Deployment.version_id != serving.version_id)
        before = session.scalar(
            select(Deployment.version_id).where(*of_project).order_by(Deployment.id.desc()).limit(1)
        )
        needed |= dict.fromkeys(
            session.scalars(standing.where(ScoringJob.version_id == before)),
            "the standing identification of the version that served before",
        )
        of_production = standing.where(ScoringJob.version_id == serving.version_id)
        needed |= dict.fromkeys(session.scalars(of_production), "the standing identification")
    return needed | dict(_in_filters(session, project_id))


def _in_filters(session: Session, project_id: int) -> Iterator[tuple[int, str]]:
    """(job, reason) for what saved views and the filters of runs in hand name."""
    views = select(SavedView.name, SavedView.query).where(
        SavedView.project_id == project_id, SavedView.deleted_at.is_(None)
    )
    runs = select(Run.id, Run.parameters).where(Run.project_id == project_id, Run.state.in_(_IN_HAND))
    texts = [(f"the saved view {name}", query) for name, query in session.execute(views)]
    texts += [(f"run {run_id}", json.dumps(parameters)) for run_id, parameters in session.execute(runs)]
    for reason, text in texts:
        yield from ((int(number), reason) for number in _IN_A_FILTER.findall(unquote_plus(text)))
