"""Training over the JSON API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from app.core.database import read
from app.runs.queries import run_view
from app.training.schemas import TrainingChoices, TrainingRequest
from app.training.service import start_training
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/runs", tags=["runs"])
Engineer = Annotated[Access, Depends(require("engineer"))]


@router.post("", status_code=201)
def request_run(access: Engineer, sent: TrainingChoices) -> dict[str, Any]:
    """Queue a training run; the run as it stands."""
    asked = TrainingRequest(**sent.model_dump(), project_id=access.project.id, created_by=access.user_id)
    run_id = start_training(asked)
    with read() as session:
        return run_view(session, run_id, access.project.id).to_public()
