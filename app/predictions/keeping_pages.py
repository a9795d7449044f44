"""Which results are kept and why, and what the next clean-up takes: the dry run is the page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.settings import get_settings
from app.predictions.dropping import request_cleaning
from app.predictions.keeping import held_jobs
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]


@router.get("/predictions")
def kept_page(request: Request, access: Viewer) -> Response:
    """Every job with results, newest first, with what keeps it."""
    settings = get_settings()
    with read() as session:
        held = held_jobs(session, access.project.id)
    return render(
        request,
        "predictions/kept.html",
        active="identify",
        held=held,
        going=sum(1 for job in held if not job.reasons),
        jobs_kept=settings.jobs_kept,
        job_days=settings.job_days,
    )


@router.post("/predictions/clean")
def clean(access: Engineer) -> Response:
    """Drop results that nothing keeps, in the background."""
    with write() as session:
        run_id = request_cleaning(session, access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", "Results that nothing keeps are being dropped.")
