"""Runs over the JSON API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from app.core.database import read
from app.runs.queries import run_view
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/runs", tags=["runs"])
Viewer = Annotated[Access, Depends(require("viewer"))]


@router.get("/{run_id}")
def get_run(access: Viewer, run_id: Annotated[int, Path(ge=1, le=2**62)]) -> dict[str, Any]:
    """A run: its state, progress and result."""
    with read() as session:
        return run_view(session, run_id, access.project.id).to_public()
