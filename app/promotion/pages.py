"""Pages of model versions: the list, one version, two side by side, evaluate again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.promotion import queries, service
from app.promotion.schemas import ClassOrder, Direction
from app.promotion.views import compare_view, version_view
from app.registry.engine_views import NAMES, engine_view
from app.registry.queries import version_by_number
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/models", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
Number = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]
Text = Annotated[str, Query(max_length=100)]
PAGE = 50


@router.get("")
def versions_page(request: Request, access: Viewer, before: Key = None) -> Response:
    """Every version, the newest first."""
    with read() as session:
        found = queries.version_lines(session, access.project.id, before=before, limit=PAGE + 1)
    context: dict[str, Any] = {"versions": found[:PAGE], "is_first": before is None}
    context["older"] = found[PAGE - 1].version.number if len(found) > PAGE else None
    return render(request, "promotion/versions.html", active="models", **context)


@router.get("/{number}")
def version_page(
    request: Request,
    access: Viewer,
    number: Number,
    subset: Text = "",
    sort: ClassOrder = "f1",
    order: Direction = "ascending",
    q: Text = "",
) -> Response:
    """A version: what it is made of, its figures by set and by class."""
    with read() as session:
        version = version_by_number(session, access.project.id, number)
        view = version_view(session, version, subset=subset, sort=sort, order=order, text=q)
        engines = engine_view(session, version.trunk.id)
    context: dict[str, Any] = {"view": view, "version": version, "engines": engines, "engine_names": NAMES}
    return render(request, "promotion/version.html", active="models", **context)


@router.post("/{number}/evaluate")
def evaluate_again(access: Engineer, number: Number) -> Response:
    """Measure a version on its splits and on the benchmark sets as they are now."""
    with write() as session:
        version = version_by_number(session, access.project.id, number)
        run_id = service.request_evaluation(
            session, project_id=access.project.id, version_id=version.id, user_id=access.user_id
        )
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", f"Version {number} will be evaluated.")


@router.get("/{number}/compare")
def compare_page(
    request: Request,
    access: Viewer,
    number: Number,
    other: Annotated[int | None, Query(alias="with", ge=1, le=2**62)] = None,
) -> Response:
    """Two versions on the benchmark sets, image by image."""
    with read() as session:
        version = version_by_number(session, access.project.id, number)
        view = compare_view(session, version, other)
    return render(request, "promotion/compare.html", active="models", view=view, version=version)
