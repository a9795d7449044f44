"""Jobs whose results identification still reads: standing ones, and the one the unknowns were last compared with."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.identification.chunk_models import ChunkPlan, StandingJob, UnknownsLook
from app.predictions.models import ScoringJob
from app.registry.models import Deployment
from app.registry.queries import production


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
    return needed
