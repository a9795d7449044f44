"""Identification over the JSON API: what it would take, starting it, how far production's own is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.core.database import read, write
from app.identification import service
from app.identification.again import newest_look
from app.identification.estimate import estimate
from app.identification.schemas import JobRequest
from app.identification.standing_jobs import standing_view
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/identifications", tags=["identification"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]


@router.get("/estimate")
def what_it_takes(access: Viewer, wanted: Annotated[JobRequest, Query()]) -> dict[str, Any]:
    """How many images are meant, how many of them need embedding, and the seconds that takes one worker."""
    with read() as session:
        found = estimate(session, wanted.selection, project_id=access.project.id, version_id=wanted.version_id)
    return found.to_public()


@router.post("", status_code=202)
def start(access: Engineer, wanted: JobRequest) -> dict[str, Any]:
    """Queue an identification; its run tells how far it is and, at the end, which job has the results."""
    with write() as session:
        run_id = service.request_from_form(session, wanted, project_id=access.project.id, user_id=access.user_id)
    return {"run_id": run_id}


@router.get("/standing")
def standing(access: Viewer) -> dict[str, Any]:
    """How far the production version is with pool and unknowns, and what the unknowns became since the one before."""
    with read() as session:
        view = standing_view(session, access.project.id)
        look = newest_look(session, access.project.id)
    return {"standing": asdict(view) if view else None, "unknowns": asdict(look) if look else None}
