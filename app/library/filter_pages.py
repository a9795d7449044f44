"""Filtering and finding: the form with every field, the exact count that follows a page, the search box."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from app.core.database import read
from app.library import queries
from app.library.filters import ImageFilter
from app.library.finding import LONGEST, find
from app.library.words import form_sections
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/library", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]


@router.get("/filters")
def filter_form(request: Request, access: Viewer) -> Response:
    """Every field that images can be filtered by, set as the address says: a page, or its form as a fragment."""
    chosen = ImageFilter.from_query(request.query_params)
    with read() as session:
        sections = form_sections(session, access.project.id, chosen)
        facets = queries.facets(session, access.project.id, chosen)
    template = "library/_filter_form.html" if request.headers.get("x-fragment") else "library/filters.html"
    path = f"/projects/{access.project.slug}/library"
    return render(
        request, template, active="library", sections=sections, facets=facets, filter=chosen, path=path, number=_number
    )


def _number(value: int) -> str:
    return f"{value:,}"


@router.get("/count")
def exact_count(request: Request, access: Viewer) -> JSONResponse:
    """How many images match, exactly: what follows a page that could only say "10,000+"."""
    chosen = ImageFilter.from_query(request.query_params)
    with read() as session:
        images = queries.exact_count(session, access.project.id, chosen)
    return JSONResponse({"images": images})


@router.get("/find")
def find_image(access: Viewer, q: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
    """By file name, digest or transaction id: one hit is opened, many are listed."""
    base = f"/projects/{access.project.slug}"
    if not q.strip():
        return redirect(f"{base}/library")
    with read() as session:
        found = find(session, access.project.id, q)
    if found.image_id is not None:
        return redirect(found.filter.address(f"{base}/images/{found.image_id}"))
    return redirect(found.filter.address(f"{base}/library"))
