"""Asking for capture groups of images that are in the library already."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.library.metadata import metadata_columns
from app.library.regrouping import KIND, CaptureRequest
from app.runs.service import request_run
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]


@router.get("/library/capture")
def capture_page(request: Request, access: Engineer) -> Response:
    """What capture groups are for, and the ways to make them."""
    with read() as session:
        columns = metadata_columns(session, access.project.id)
    return render(request, "library/capture.html", active="library", columns=list(columns.items()))


@router.post("/library/capture")
def make_capture_groups(access: Engineer, form: FormFields) -> Response:
    """Group by folder or by a metadata column, in the background."""
    wanted = parsed(CaptureRequest, form)
    if wanted.by == "column" and wanted.column_id is None:
        raise InvalidInput(tr("choose the metadata column whose values name the groups"))
    with write() as session:
        run_id = request_run(
            session,
            project_id=access.project.id,
            kind=KIND,
            title=tr("Capture groups"),
            parameters=wanted.model_dump(),
            created_by=access.user_id,
        )
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", tr("The images are being grouped."))
