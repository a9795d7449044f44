"""Training over the JSON API."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path

from app.core.database import read
from app.runs.queries import run_view
from app.training.detail import run_detail
from app.training.models import Epoch
from app.training.report import training_report
from app.training.schemas import TrainingChoices, TrainingRequest
from app.training.service import start_training
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/runs", tags=["runs"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]

_KEYS: Final = frozenset({"id", "run_id"})


@router.post("", status_code=201)
def request_run(access: Engineer, sent: TrainingChoices) -> dict[str, Any]:
    """Queue a training run; the run as it stands."""
    asked = TrainingRequest(**sent.model_dump(), project_id=access.project.id, created_by=access.user_id)
    run_id = start_training(asked)
    with read() as session:
        return run_view(session, run_id, access.project.id).to_public()


@router.get("/{run_id}/training")
def get_training(access: Viewer, run_id: Annotated[int, Path(ge=1, le=2**62)]) -> dict[str, Any]:
    """A training run whole: what was asked, every epoch, its classes and surest mistakes, its log, what it made."""
    with read() as session:
        report = training_report(session, run_id, access.project.id)
        detail = run_detail(session, run_id, epoch=report.best.number if report.run.is_ended and report.best else None)
    return {
        "run": report.run.to_public(),
        "start": report.start,
        "trunk": report.trunk,
        "input_size": report.input_size,
        "parent": report.parent_number,
        "snapshot_id": report.snapshot.id,
        "config": report.config,
        "environment": report.environment,
        "epochs": [
            {column.key: getattr(epoch, column.key) for column in Epoch.__table__.columns if column.key not in _KEYS}
            for epoch in report.epochs
        ],
        "detail": detail.to_public(),
        "version": report.version_number,
        "lineage": report.lineage,
    }
