"""The project's home, and the reports: usage, accuracy, what was in production. Reading only."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.core.clock import now
from app.core.database import read
from app.core.spreadsheet import csv_text
from app.library.filters import ImageFilter
from app.library.queries import page as images_page
from app.reports.figures import TABLES, as_rows, figures
from app.reports.home import standing
from app.reports.loop import stops
from app.reports.next_actions import advise
from app.reports.recent import recent_activity
from app.reports.schemas import ReportFilter
from app.runs.queries import open_runs
from app.serving.queries import deployed_versions, waiting_for_grade
from app.web.access import Access
from app.web.dependencies import require
from app.web.forms import parsed
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
TableName = Annotated[
    Literal["days", "clients", "versions", "decisions", "accuracy", "confidence", "classes", "production"], Path()
]
_SPANS: Final = (7, 30, 90, 365)
_NEWEST_IMAGES: Final = 30


@router.get("/reports")
def reports_page(request: Request, access: Viewer) -> Response:
    """Usage and accuracy of a period, of one version or all."""
    chosen = parsed(ReportFilter, request.query_params)
    with read() as session:
        report = figures(session, access.project.id, chosen)
        shown: dict[str, Any] = {
            "versions": deployed_versions(session, access.project.id),
            "waiting": waiting_for_grade(session, access.project.id),
        }
    tables = {name: make(report) for name, make in TABLES.items()}
    path = f"/projects/{access.project.slug}/reports"
    shown |= {"filter": chosen, "report": report, "tables": tables, "path": path}
    shown |= {"spans": _spans(path, chosen), "today": now().date()}
    return render(request, "reports/reports.html", active="reports", query=urlencode(chosen.to_query()), **shown)


@router.get("/reports/{table}.csv")
def report_csv(request: Request, access: Viewer, table: TableName) -> Response:
    """One table of the report as CSV, under the same filter."""
    chosen = parsed(ReportFilter, request.query_params)
    with read() as session:
        report = figures(session, access.project.id, chosen)
    name = f"{access.project.slug}-{table}-{chosen.period.first}-{chosen.period.last}.csv"
    return Response(
        csv_text(as_rows(TABLES[table](report))),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("")
def home_page(request: Request, access: Viewer) -> Response:
    """Where the project stands in the loop, and what helps it most now."""
    with read() as session:
        here = standing(session, access.project.id, lower_cutoff=access.project.lower_cutoff)
        shown: dict[str, Any] = {
            "standing": here,
            "runs": open_runs(session, access.project.id),
            "activity": recent_activity(session, access.project.id),
            "images": images_page(session, access.project.id, ImageFilter(), limit=_NEWEST_IMAGES).images,
        }
    advice = advise(here, access.role)
    return render(request, "reports/home.html", active="home", advice=advice, stops=stops(here), **shown)


def _spans(path: str, chosen: ReportFilter) -> list[tuple[int, str, str]]:
    """Ready periods that end today, as (days, words, address)."""
    today = now().date()
    version = {"version": str(chosen.version)} if chosen.version else {}
    return [
        (
            days,
            f"{days} days",
            f"{path}?{urlencode({'from': str(today - timedelta(days=days - 1)), 'to': str(today), **version})}",
        )
        for days in _SPANS
    ]
