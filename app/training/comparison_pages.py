"""The page that lays training runs over one another."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.core.database import read
from app.runs.queries import newest_runs
from app.training.comparing import CHARTS, FEWEST, MOST, Axis, compare_runs
from app.training.service import KIND
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/training", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Chosen = Annotated[list[Annotated[int, Query(ge=1, le=2**62)]], Query(max_length=60)]
_OFFERED: Final = 60


@router.get("/compare")
def comparison_page(
    request: Request,
    access: Viewer,
    run: Chosen = [],  # noqa: B006 - read only
    by: Axis = "epoch",
) -> Response:
    """Curves, settings that differ, images and outcomes of two to six runs; which ones the address says."""
    chosen = list(dict.fromkeys(run))
    with read() as session:
        found = compare_runs(session, access.project.id, chosen) if FEWEST <= len(chosen) <= MOST else None
        offered = newest_runs(session, access.project.id, limit=_OFFERED, kind=KIND)
    return render(
        request,
        "training/compare.html",
        active="runs",
        comparison=found,
        chosen=chosen,
        offered=offered,
        axis=by,
        charts=CHARTS,
        most=MOST,
    )
