"""Studies over the JSON API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from app.core.database import read
from app.studies.queries import list_studies
from app.studies.report import StudyReport, study_report
from app.studies.schemas import StudyRequest
from app.studies.service import begin_study
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/studies", tags=["studies"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]


@router.get("")
def get_studies(access: Viewer) -> list[dict[str, Any]]:
    """Studies of the project, the newest first."""
    with read() as session:
        return [asdict(study) for study in list_studies(session, access.project.id)]


@router.post("", status_code=201)
def begin(access: Engineer, sent: StudyRequest) -> dict[str, Any]:
    """Begin a study; the study as it stands."""
    study_id = begin_study(sent, project_id=access.project.id, user_id=access.user_id)
    return _public(study_id, access.project.id)


@router.get("/{study_id}")
def get_study(access: Viewer, study_id: Annotated[int, Path(ge=1, le=2**62)]) -> dict[str, Any]:
    """One study with its trials."""
    return _public(study_id, access.project.id)


def _public(study_id: int, project_id: int) -> dict[str, Any]:
    with read() as session:
        report: StudyReport = study_report(session, study_id, project_id)
    study, best = report.study, report.best
    return {
        "id": study.id,
        "name": study.name,
        "state": study.state,
        "note": study.note,
        "objective": study.objective,
        "snapshot_id": study.snapshot_id,
        "base": study.base,
        "space": study.space,
        "most_trials": study.most_trials,
        "most_hours": study.most_hours,
        "seconds": report.seconds,
        "importance": study.importance,
        "best": asdict(best) if best else None,
        "trials": [asdict(trial) for trial in report.trials],
    }
