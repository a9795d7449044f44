"""The page that shows which version came from which."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.core.database import read
from app.training.lineage import MOST, drawn, lineage_of
from app.training.schemas import START_TITLES
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/training", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]


@router.get("/lineage")
def lineage_page(request: Request, access: Viewer) -> Response:
    """The tree of versions: parent to child, what each step changed, what it gained."""
    with read() as session:
        versions = lineage_of(session, access.project.id)
    rows = drawn(versions)
    return render(
        request,
        "training/lineage.html",
        active="models",
        rows=rows,
        lanes=max((row.lane for row in rows), default=0) + 1,
        starts=START_TITLES,
        most=MOST,
    )
