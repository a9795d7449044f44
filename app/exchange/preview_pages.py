"""Pages of imports before they begin: naming one, looking at it, mapping its classes, go or give up."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.settings import get_settings
from app.core.texts import tr
from app.exchange import previews, queries
from app.exchange.findings import Findings
from app.exchange.models import ImportPreview
from app.exchange.words import format_words, group_rules, likeness_words, shown_classes
from app.library.imports import import_roots
from app.library.media import ImageId
from app.library.models import Origin
from app.library.schemas import ImportRequest
from app.runs.models import Run
from app.runs.service import get_run
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/imports", include_in_schema=False)
Engineer = Annotated[Access, Depends(require("engineer"))]
_OPEN_RUN: Final = frozenset({"queued", "running"})


@router.get("/new")
def import_form(request: Request, access: Engineer) -> Response:
    """What to import, and from where; imports that wait for a decision."""
    return _form(request, access)


def _form(request: Request, access: Access, **said: Any) -> Response:
    limits = get_settings()
    with read() as session:
        waiting = queries.open_previews(session, access.project.id)
    context: dict[str, Any] = {
        "roots": import_roots(),
        "connections": sorted(limits.storage_connections),
        "origins": [origin.value for origin in Origin],
        "formats": format_words(),
        "max_file_bytes": limits.max_upload_bytes,
        "max_archive_bytes": limits.max_archive_bytes,
        "most_addresses": limits.max_list_addresses,
        "waiting": waiting,
        "error": "",
        "sent": {},
    }
    return render(request, "exchange/import.html", active="library", **(context | said))


@router.post("")
def name_import(request: Request, access: Engineer, form: FormFields) -> Response:
    """Look at what the form names; nothing is imported yet."""
    try:
        asked = parsed(previews.NamedImport, form)
        request_named = previews.as_request(asked, access.project.id)
        preview_id = previews.create_preview(access.project.id, access.user_id, request_named)
    except InvalidInput as error:
        return _form(request, access, http_status=422, error=error.message, sent=dict(form))
    return redirect(f"/projects/{access.project.slug}/imports/previews/{preview_id}")


@router.get("/previews/{preview_id}")
def preview_page(request: Request, access: Engineer, preview_id: ImageId) -> Response:
    """What was found, and what to do with it."""
    with read() as session:
        preview = queries.get_preview(session, preview_id, access.project.id)
        run = get_run(session, preview.run_id, access.project.id) if preview.run_id else None
        names, _ = queries.class_names_and_aliases(session, access.project.id)
    if preview.batch_id is not None:
        return redirect(f"/projects/{access.project.slug}/imports/{preview.batch_id}")
    return render(request, "exchange/preview.html", active="library", **_shown(preview, run, names))


def _shown(preview: ImportPreview, run: Run | None, names: list[str]) -> dict[str, Any]:
    chosen = ImportRequest.model_validate(preview.request)
    findings = Findings.model_validate(preview.findings) if preview.findings else None
    shown: dict[str, Any] = {
        "preview": preview,
        "chosen": chosen,
        "findings": findings,
        "run": run,
        "is_looking": findings is None and run is not None and run.state in _OPEN_RUN,
        "origins": [origin.value for origin in Origin],
        "formats": format_words(),
        "class_names": names,
        "likeness": likeness_words(),
    }
    if findings is not None:
        shown |= {"classes": shown_classes(findings, chosen, names), "group_rules": group_rules(findings)}
    return shown


@router.get("/previews/{preview_id}/look")
def preview_look(request: Request, access: Engineer, preview_id: ImageId) -> Response:
    """The part of the page that changes while the import is looked at."""
    with read() as session:
        preview = queries.get_preview(session, preview_id, access.project.id)
        run = get_run(session, preview.run_id, access.project.id) if preview.run_id else None
    return render(request, "exchange/_look.html", preview=preview, run=run)


@router.post("/previews/{preview_id}/choices")
def choose(access: Engineer, preview_id: ImageId, choices: previews.Choices) -> JSONResponse:
    """Keep what was chosen so far."""
    with write() as session:
        is_looked_at_anew = previews.save_choices(session, preview_id, access.project.id, choices)
    return JSONResponse({"saved": True, "looks_anew": is_looked_at_anew})


@router.post("/previews/{preview_id}/start")
def start_import(access: Engineer, preview_id: ImageId) -> Response:
    """Begin the import."""
    batch_id = previews.start(preview_id, access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/imports/{batch_id}", tr("The import is queued."))


@router.post("/previews/{preview_id}/give-up")
def give_up(access: Engineer, preview_id: ImageId) -> Response:
    """Drop it, and the files that were sent for it."""
    with write() as session:
        previews.give_up(session, preview_id, access.project.id)
    return redirect(
        f"/projects/{access.project.slug}/imports/new", tr("Nothing was imported; files that were sent are removed.")
    )
