"""Evaluations that the gate's reports rest on: of every version that was ever deployed, and of the newest report."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.evaluation.models import Evaluation
from app.predictions.models import ScoringJob
from app.promotion.models import GateReport
from app.registry.models import Deployment


def jobs_of_reports(session: Session, project_id: int) -> dict[int, str]:
    """Jobs of the project that are needed, each with the reason."""
    deployed = select(Deployment.version_id).where(Deployment.project_id == project_id)
    newest = session.execute(
        select(GateReport.candidate_id, GateReport.production_id)
        .where(GateReport.project_id == project_id)
        .order_by(GateReport.id.desc())
        .limit(1)
    ).one_or_none()
    compared = [version_id for version_id in newest or () if version_id is not None]
    jobs = (
        select(Evaluation.job_id)
        .join(ScoringJob, ScoringJob.id == Evaluation.job_id)
        .where(ScoringJob.project_id == project_id, Evaluation.is_current)
        .where(or_(Evaluation.version_id.in_(deployed), Evaluation.version_id.in_(compared)))
    )
    return dict.fromkeys(session.scalars(jobs), "a report of the gate")
