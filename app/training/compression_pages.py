"""Making a version smaller: the page that asks for it, what came of it, and the same over the JSON API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.registry.queries import version_by_number
from app.runs.queries import run_view
from app.training.compression import COMPRESSED_TITLES, LEAST_AGREEMENT, CompressionRequest, request_compression
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
api = APIRouter(prefix="/api/v1/projects/{slug}/models", tags=["models"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
Number = Annotated[int, Path(ge=1, le=2**62)]
RunId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/models/{number}/smaller")
def smaller_page(request: Request, access: Engineer, number: Number) -> Response:
    """How a version can be made smaller."""
    return _form(request, access, number)


@router.post("/models/{number}/smaller")
def make_smaller(request: Request, access: Engineer, number: Number, form: FormFields) -> Response:
    """Queue it, or say what stands in its way."""
    try:
        run_id = _ask(access, number, parsed(CompressionRequest, form))
    except InvalidInput as refused:
        return _form(request, access, number, dict(form), refused)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}")


@router.get("/runs/{run_id}/compression")
def compression_part(request: Request, access: Viewer, run_id: RunId) -> Response:
    """What came of it, as the run's page shows it."""
    with read() as session:
        run = run_view(session, run_id, access.project.id)
    return render(request, "training/_compression.html", result=run.result)


@api.post("/{number}/smaller", status_code=201)
def make_smaller_by_api(access: Engineer, number: Number, sent: CompressionRequest) -> dict[str, Any]:
    """Make a smaller version of a version; the run that does it."""
    run_id = _ask(access, number, sent)
    with read() as session:
        return run_view(session, run_id, access.project.id).to_public()


def _ask(access: Access, number: int, asked: CompressionRequest) -> int:
    with write() as session:
        version = version_by_number(session, access.project.id, number)
        return request_compression(session, asked, version=version, user_id=access.user_id)


def _form(
    request: Request,
    access: Access,
    number: int,
    values: dict[str, Any] | None = None,
    refused: InvalidInput | None = None,
) -> Response:
    with read() as session:
        version = version_by_number(session, access.project.id, number)
    return render(
        request,
        "training/smaller.html",
        http_status=422 if refused else 200,
        active="models",
        version=version,
        values=values or {},
        refused=refused,
        least=LEAST_AGREEMENT,
        titles=COMPRESSED_TITLES,
    )
