"""Pages of exports: asking for one, what became of each, the file."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import FileResponse, Response

from app.core.database import read, write
from app.core.settings import get_settings
from app.core.texts import tr
from app.datasets.queries import get_snapshot
from app.exchange import exports
from app.exchange.formats.registry import WRITERS
from app.exchange.schemas import ExportRequest, Pictures
from app.imaging.stripping import STRIPPABLE
from app.library.filters import ImageFilter
from app.library.queries import count
from app.library.views import list_views
from app.library.words import Names, chips
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/exports", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]
RunId = Annotated[int, Path(ge=1, le=2**62)]
Before = Annotated[int | None, Query(ge=1, le=2**62)]
_ON_A_PAGE: Final = 50
_VIEWS: Final = 30


@router.get("")
def exports_page(request: Request, access: Engineer, before: Before = None, snapshot: Before = None) -> Response:
    """A form to export what the address filters, or a snapshot, and the exports, newest first."""
    chosen = ImageFilter.from_query(request.query_params)
    path, project_id = f"/projects/{access.project.slug}/exports", access.project.id
    with read() as session:
        lines = exports.exports(session, project_id, before=before, limit=_ON_A_PAGE + 1)
        frozen = get_snapshot(session, snapshot, project_id) if snapshot is not None else None
        total = f"{frozen.images:,}" if frozen else count(session, project_id, chosen).words
        names = Names.of(session, project_id, chosen)
        views = [(view.name, f"{path}?{view.query}") for view in list_views(session, project_id)[:_VIEWS]]
    live = [line.run.id for line in lines if not line.run.is_ended]
    context: dict[str, Any] = {
        "lines": lines[:_ON_A_PAGE],
        "older": lines[_ON_A_PAGE - 1].run.id if len(lines) > _ON_A_PAGE else None,
        "before": before,
        "live_run": live[-1] if live else None,
        "total": total,
        "snapshot": snapshot,
        "views": views,
        "chips": chips(chosen, names, path),
        "query": chosen.query_string(),
        "formats": [(name, writer.title) for name, writer in WRITERS.items()],
        "pictures": _picture_words(),
        "strippable": ", ".join(sorted(one.upper() for one in STRIPPABLE)),
        "days": get_settings().export_days,
    }
    return render(request, "exchange/exports.html", active="library", **context)


def _picture_words() -> list[tuple[str, str]]:
    return [
        (Pictures.ORIGINALS.value, tr("originals")),
        (Pictures.RENDITIONS.value, tr("renditions (short side 320 pixels)")),
        (Pictures.NONE.value, tr("none, labels only")),
    ]


@router.post("")
def start_export(access: Engineer, form: FormFields) -> Response:
    """Queue an export."""
    request = parsed(ExportRequest, form)
    with write() as session:
        exports.request_export(session, project_id=access.project.id, user_id=access.user_id, request=request)
    return redirect(f"/projects/{access.project.slug}/exports", tr("The export is queued."))


@router.get("/{run_id}/file")
def download(access: Engineer, run_id: RunId) -> Response:
    """The file of an export."""
    return export_file(access, run_id)


def export_file(access: Access, run_id: int) -> Response:
    """An export's file as an attachment, in ranges where asked for. Raises NotFound, Conflict."""
    with read() as session:
        line = exports.get_export(session, access.project.id, run_id)
    path = exports.downloadable(line)
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=exports.download_name(access.project.slug, line),
        headers={"Cache-Control": "private, no-store"},
    )
