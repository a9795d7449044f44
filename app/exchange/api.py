"""Exports over the JSON API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from app.core.database import read, write
from app.exchange import exports
from app.exchange.export_pages import export_file
from app.exchange.schemas import ExportRequest
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/exports", tags=["exports"])
Engineer = Annotated[Access, Depends(require("engineer"))]
RunId = Annotated[int, Path(ge=1, le=2**62, description="The export's run.")]


class ExportOut(BaseModel):
    """An export: its run, how far it is, and where its file is fetched once there is one."""

    run_id: int
    state: str
    format: str
    query: str
    snapshot_id: int | None
    pictures: str
    strip_metadata: bool
    percent: int | None
    images: int | None
    missing: int | None
    bytes: int | None
    expires_at: datetime | None
    file: str | None
    error: str | None


@router.post("", status_code=202)
def start_export(access: Engineer, request: ExportRequest) -> ExportOut:
    """Queue an export of what a filter or a saved view shows, or of a snapshot."""
    with write() as session:
        run_id = exports.request_export(session, project_id=access.project.id, user_id=access.user_id, request=request)
    return get_export(access, run_id)


@router.get("/{run_id}")
def get_export(access: Engineer, run_id: RunId) -> ExportOut:
    """An export and how far it is."""
    with read() as session:
        line = exports.get_export(session, access.project.id, run_id)
    run, asked = line.run, line.request
    address = f"/api/v1/projects/{access.project.slug}/exports/{run_id}/file"
    return ExportOut(
        run_id=run.id,
        state=run.state,
        format=asked.format,
        query=asked.query,
        snapshot_id=asked.snapshot_id,
        pictures=asked.pictures,
        strip_metadata=asked.strip_metadata,
        percent=run.percent,
        images=run.result.get("images"),
        missing=run.result.get("missing"),
        bytes=line.bytes,
        expires_at=line.expires_at,
        file=address if line.path else None,
        error=run.error_message,
    )


@router.get("/{run_id}/file", response_class=FileResponse)
def get_export_file(access: Engineer, run_id: RunId) -> Response:
    """The file of an export that has succeeded and not expired."""
    return export_file(access, run_id)
