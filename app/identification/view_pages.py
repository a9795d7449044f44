"""Beside the results: their classes, the reasons of one class, the exact count, and views saved for the team."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import JSONResponse, Response

from app.core.database import read, write
from app.core.errors import NotFound
from app.identification.counting import class_counts
from app.identification.needs import class_needs, of_one_class
from app.identification.reasons import class_reasons, side_words
from app.identification.result_filter import ResultFilter
from app.identification.saved import results_views, save_results_view
from app.identification.scope import job_scope
from app.identification.walking import count_exactly
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/identify", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Labeller = Annotated[Access, Depends(require("labeller"))]
JobId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/views")
def saved_views(request: Request, access: Viewer) -> Response:
    """A fragment: the saved views of results."""
    with read() as session:
        saved = results_views(session, access.project.id)
    return render(request, "identification/_saved.html", saved=saved)


@router.post("/{job_id}/views")
def save(access: Labeller, job_id: JobId, form: FormFields) -> Response:
    """Keep what the page shows under a name; a view of that name takes it instead of its own."""
    wanted = ResultFilter.from_query(_pairs(str(form.get("query", ""))))
    with write() as session:
        job_scope(session, job_id, access.project.id)
        view = save_results_view(
            session,
            project_id=access.project.id,
            name=str(form.get("name", "")),
            job_id=job_id,
            wanted=wanted,
            user_id=access.user_id,
        )
    address = f"/projects/{access.project.slug}/identify/{job_id}?{wanted.to_query()}"
    return redirect(address, f"Saved as the view {view.name}, for the library, training and exports too.")


@router.get("/{job_id}/classes")
def classes(request: Request, access: Viewer, job_id: JobId) -> Response:
    """A fragment: how many results there are of each predicted class under the page's filter, and why."""
    wanted = ResultFilter.from_query(request.query_params.multi_items())
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        context: dict[str, Any] = {"scope": scope, "path": f"/projects/{access.project.slug}/identify/{job_id}"}
        if wanted.view == "candidates" and scope.has_candidates:
            context |= {"wanted": of_one_class(session, scope, wanted), "needs": class_needs(session, scope)}
        else:
            counts = class_counts(session, scope, wanted)
            said = side_words(session, scope, wanted, [count.class_id for count in counts])
            context |= {"wanted": wanted, "counts": counts, "said": said}
    part = "_needs" if "needs" in context else "_classes"
    return render(request, f"identification/{part}.html", **context)


@router.get("/{job_id}/why")
def why(request: Request, access: Viewer, job_id: JobId) -> Response:
    """A fragment: what the class of the page needs, and why its results are worth a look."""
    wanted = ResultFilter.from_query(request.query_params.multi_items())
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        reasons = class_reasons(session, scope, wanted.class_id) if wanted.class_id else None
    if reasons is None:
        raise NotFound("the version of this job knows no such class")
    path = f"/projects/{access.project.slug}/identify/{job_id}"
    return render(request, "identification/_why.html", reasons=reasons, scope=scope, wanted=wanted, path=path)


@router.get("/{job_id}/count")
def exact_count(request: Request, access: Viewer, job_id: JobId) -> JSONResponse:
    """How many results match, exactly: what follows a page that could only give a lower bound."""
    wanted = ResultFilter.from_query(request.query_params.multi_items())
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        images = count_exactly(session, scope, of_one_class(session, scope, wanted))
    return JSONResponse({"images": images})


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
