"""Identification's pages: the jobs with a form to start one, and the results as a grid to label from."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.identification import queries, service
from app.identification.counting import class_counts, count_results
from app.identification.needs import class_needs, of_one_class
from app.identification.schemas import MAX_ID, AcceptRequest, ChosenRequest, IdentifyRequest, ResultFilter
from app.identification.scope import job_scope
from app.identification.views import view_named, views_for
from app.identification.words import accepted_json, chips, page_parameters
from app.labelling.queries import versions_after
from app.library.selection import resolve
from app.registry.queries import newest_versions, production
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/identify", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Labeller = Annotated[Access, Depends(require("labeller"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
JobId = Annotated[int, Path(ge=1, le=2**62)]
Before = Annotated[int | None, Query(ge=1, le=2**62)]
_FURTHER: Final = 120


@router.get("")
def jobs_page(request: Request, access: Viewer, before: Before = None, query: str = "") -> Response:
    """The jobs, newest first, and the form that starts one; `query` fills in a library filter."""
    with read() as session:
        lines = queries.job_lines(session, access.project.id, before=before)
        versions = newest_versions(session, access.project.id)
        serving = production(session, access.project.id)
    live = [line.run_id for line in lines if line.run_state in ("running", "queued")]
    context: dict[str, Any] = {"lines": lines, "versions": versions, "serving": serving, "query": query[:2000]}
    context |= {"before": before, "live_run": live[-1] if live else None}
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


@router.get("/{job_id}")
def results_page(request: Request, access: Viewer, job_id: JobId) -> Response:
    """A job's results through a view, filtered and sorted by the address."""
    pairs, place = page_parameters(request.query_params.multi_items())
    wanted = ResultFilter.from_query(pairs)
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        wanted = of_one_class(session, scope, wanted)
        found = queries.results_page(session, scope, wanted, before=place.get("before"), after=place.get("after"))
        total = count_results(session, scope, wanted)
        run = queries.job_run(session, scope)
    path = f"/projects/{access.project.slug}/identify/{job_id}"
    context: dict[str, Any] = {
        "run": run,
        "title": run.title,
        "scope": scope,
        "wanted": wanted,
        "found": found,
        "total": total,
    }
    context |= {"path": path, "view": view_named(wanted.view), "views": views_for(scope)}
    context["chips"] = chips(wanted, scope, path)
    return render(request, "identification/results.html", active="identify", **context)


@router.get("/{job_id}/cells")
def cells(
    request: Request, access: Viewer, job_id: JobId, at: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None
) -> Response:
    """A fragment: further results of the grid, below `before`, above `after`, or from the image `at` on."""
    pairs, place = page_parameters([pair for pair in request.query_params.multi_items() if pair[0] != "at"])
    wanted = ResultFilter.from_query(pairs)
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        wanted = of_one_class(session, scope, wanted)
        found = queries.results_page(
            session, scope, wanted, before=place.get("before"), after=place.get("after"), at=at, limit=_FURTHER
        )
    return render(request, "identification/_cells.html", scope=scope, found=found)


@router.get("/{job_id}/progress")
def progress(request: Request, access: Viewer, job_id: JobId) -> Response:
    """How far the job is: asked for again when its run's state changes."""
    with read() as session:
        run = queries.job_run(session, job_scope(session, job_id, access.project.id))
    path = f"/projects/{access.project.slug}/identify/{job_id}"
    return render(request, "identification/_progress.html", run=replace(run, was_live=True), path=path)


@router.get("/{job_id}/classes")
def classes(request: Request, access: Viewer, job_id: JobId) -> Response:
    """How many results there are of each predicted class, under the page's filter."""
    wanted = ResultFilter.from_query(request.query_params.multi_items())
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        context: dict[str, Any] = {"scope": scope, "path": f"/projects/{access.project.slug}/identify/{job_id}"}
        if wanted.view == "candidates" and scope.has_candidates:
            context |= {"wanted": of_one_class(session, scope, wanted), "needs": class_needs(session, scope)}
        else:
            context |= {"wanted": wanted, "counts": class_counts(session, scope, wanted)}
    part = "_needs" if "needs" in context else "_classes"
    return render(request, f"identification/{part}.html", **context)


@router.post("/{job_id}/accept")
def accept(access: Labeller, job_id: JobId, sent: AcceptRequest) -> dict[str, Any]:
    """Label the images with what the job predicts for them."""
    with write() as session:
        done = service.accept_predictions(
            session, sent, job_id=job_id, project_id=access.project.id, user_id=access.user_id
        )
        versions = versions_after(session, done.action_id)
    return accepted_json(done, versions, access.project.slug)
