"""Identification's pages: the jobs with a form to start one, and the results as a grid to label from."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.identification import queries, service
from app.identification.needs import of_one_class
from app.identification.result_page import page_context
from app.identification.schemas import MAX_ID, AcceptRequest, ResultFilter
from app.identification.scope import job_scope
from app.identification.words import accepted_json, chips, page_parameters
from app.labelling.queries import versions_after
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/identify", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Labeller = Annotated[Access, Depends(require("labeller"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
JobId = Annotated[int, Path(ge=1, le=2**62)]
Before = Annotated[int | None, Query(ge=1, le=2**62)]
_FURTHER: Final = 120


@router.get("/{job_id}")
def results_page(request: Request, access: Viewer, job_id: JobId) -> Response:
    """A job's results through a view, filtered, sorted and grouped by the address."""
    pairs, place = page_parameters(request.query_params.multi_items())
    wanted = ResultFilter.from_query(pairs)
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        wanted = of_one_class(session, scope, wanted)
        context = page_context(session, scope, wanted, place)
    context |= {"path": f"/projects/{access.project.slug}/identify/{job_id}", "title": context["run"].title}
    context["chips"] = chips(wanted, scope, context["path"], context["names"], context["versus"])
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
    path = f"/projects/{access.project.slug}/identify/{job_id}"
    return render(request, "identification/_cells.html", scope=scope, wanted=wanted, found=found, path=path)


@router.post("/{job_id}/accept")
def accept(access: Labeller, job_id: JobId, sent: AcceptRequest) -> dict[str, Any]:
    """Label the images with what the job predicts for them."""
    with write() as session:
        done = service.accept_predictions(
            session, sent, job_id=job_id, project_id=access.project.id, user_id=access.user_id
        )
        versions = versions_after(session, done.action_id)
    return accepted_json(done, versions, access.project.slug)
