"""Identification's jobs as a page: what runs, what it will take, how far production's own is, what unknowns became."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.identification import queries, service
from app.identification.again import newest_look
from app.identification.estimate import estimate
from app.identification.schemas import ChosenRequest, IdentifyRequest
from app.identification.scope import job_scope
from app.identification.standing import LOOK_SECONDS
from app.identification.standing_jobs import standing_view
from app.library.selection import resolve
from app.registry.queries import newest_versions, production
from app.runs.queries import runs_by_id
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/identify", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
JobId = Annotated[int, Path(ge=1, le=2**62)]
Before = Annotated[int | None, Query(ge=1, le=2**62)]


@router.get("")
def jobs_page(request: Request, access: Viewer, before: Before = None, query: str = "") -> Response:
    """The jobs, newest first, and the form that starts one; `query` fills in a library filter."""
    with read() as session:
        lines = queries.job_lines(session, access.project.id, before=before)
        live = [line.run_id for line in lines if line.run_state in ("running", "queued")]
        context: dict[str, Any] = {
            "lines": lines,
            "runs": {run.id: run for run in runs_by_id(session, live)},
            "versions": newest_versions(session, access.project.id),
            "serving": production(session, access.project.id),
            "standing": standing_view(session, access.project.id),
            "unknowns": newest_look(session, access.project.id),
        }
    context |= {"before": before, "query": query[:2000], "look_minutes": LOOK_SECONDS // 60}
    return render(request, "identification/jobs.html", active="identify", **context)


@router.post("")
def start(access: Engineer, form: FormFields) -> Response:
    """Queue an identification."""
    sent = parsed(IdentifyRequest, form)
    with write() as session:
        service.request_from_form(session, sent, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/identify", "The identification waits for a worker.", kind="info")


@router.post("/chosen", status_code=202)
def start_chosen(access: Engineer, sent: ChosenRequest) -> dict[str, Any]:
    """Queue an identification of chosen images, for grids."""
    with read() as session:
        image_ids = resolve(session, access.project.id, sent.selection)
    run_id = service.request_chosen(
        image_ids, version_id=sent.version_id, project_id=access.project.id, user_id=access.user_id
    )
    return {"images": len(image_ids), "run_id": run_id, "address": f"/projects/{access.project.slug}/runs/{run_id}"}


@router.get("/estimate")
def what_it_takes(request: Request, access: Viewer) -> Response:
    """A fragment: how many images the form means, which of them need embedding, how long it will take."""
    sent = parsed(IdentifyRequest, request.query_params)
    with read() as session:
        found = estimate(session, sent.selection, project_id=access.project.id, version_id=sent.version_id)
    return render(request, "identification/_estimate.html", estimate=found)


@router.get("/{job_id}/progress")
def progress(request: Request, access: Viewer, job_id: JobId) -> Response:
    """How far the job is: asked for again when its run's state changes."""
    with read() as session:
        run = queries.job_run(session, job_scope(session, job_id, access.project.id))
    path = f"/projects/{access.project.slug}/identify/{job_id}"
    return render(request, "identification/_progress.html", run=replace(run, was_live=True), path=path)
