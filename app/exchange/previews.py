"""An import between being named and being begun: looked at, its classes mapped, then started or given up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import after_commit, read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.texts import tr
from app.exchange.findings import Findings
from app.exchange.inspecting import inspect
from app.exchange.models import ImportPreview
from app.exchange.queries import get_preview
from app.library.addresses import stage_addresses
from app.library.imports import STAGED, request_import, settle
from app.library.models import Origin
from app.library.reading import open_source
from app.library.schemas import GROUP_RULE, ImportRequest, MappedLabel, SourceKind
from app.library.uploads import upload_folder
from app.runs.context import RunContext
from app.runs.models import RunState
from app.runs.service import get_run, request_cancel, request_run

KEPT_DAYS: Final = 14


class Choices(BaseModel):
    """What a person chose on the preview; what is not sent stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[str, StringConstraints(max_length=40)] | None = None
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    origin: Origin | None = None
    groups: Annotated[str, StringConstraints(pattern=GROUP_RULE)] | None = None
    keep_sub_classes: bool | None = None
    keep_columns: tuple[Annotated[str, StringConstraints(max_length=200)], ...] | None = None
    class_map: dict[Annotated[str, StringConstraints(max_length=200)], MappedLabel] | None = None


class NamedImport(BaseModel):
    """The form that names an import. `addresses` is a list of addresses, one a line, or a table with a column `url`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: SourceKind
    path: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4096)] = ""
    connection: Annotated[str, StringConstraints(max_length=100)] = ""
    addresses: Annotated[str, StringConstraints(max_length=2 * 2**20)] = ""
    labels_path: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4096)] = ""
    format: Annotated[str, StringConstraints(max_length=40)] = ""
    origin: Origin = Origin.REAL
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""


def as_request(named: NamedImport, project_id: int) -> ImportRequest:
    """The request that the form amounts to; a list of addresses is staged as an upload. Raises InvalidInput."""
    path = named.path
    if named.kind is SourceKind.S3:
        path = f"{named.connection}/{path.strip('/')}"
    elif named.kind is SourceKind.URLS:
        path = stage_addresses(project_id, named.addresses.encode())
    if not path:
        raise InvalidInput(tr("an import needs a path; received none"))
    return ImportRequest(
        kind=named.kind,
        path=path,
        name=named.name,
        format=named.format,
        labels_path=named.labels_path or None,
        origin=named.origin,
    )


def create_preview(project_id: int, user_id: int | None, request: ImportRequest) -> int:
    """Name an import and ask for a look at it; returns the preview's id. Old ones are swept.

    Raises InvalidInput, Forbidden, NotFound.
    """
    settled = settle(request, project_id)
    with write() as session:
        _sweep(session, project_id)
        preview = ImportPreview(
            project_id=project_id,
            name=settled.name,
            request=settled.model_dump(mode="json"),
            created_by=user_id,
            created_at=now(),
            touched_at=now(),
        )
        session.add(preview)
        session.flush()
        _ask_for_look(session, preview)
        return preview.id


def _ask_for_look(session: Session, preview: ImportPreview) -> None:
    preview.findings = None
    preview.run_id = request_run(
        session,
        project_id=preview.project_id,
        kind="exchange.preview",
        title=f"Look at {preview.name}",
        parameters={"preview_id": preview.id},
        created_by=preview.created_by,
    )


def look(context: RunContext) -> None:
    """The work of a preview's run. Raises InvalidInput, NotFound, TooLarge where the source is unusable."""
    preview_id = int(context.parameters["preview_id"])
    with read() as session:
        request = ImportRequest.model_validate(get_preview(session, preview_id, context.project_id).request)
    with closing(open_source(request, context.project_id)) as source:
        findings = inspect(request, source, project_id=context.project_id, progress=context.progress)
    with write() as session:
        preview = get_preview(session, preview_id, context.project_id)
        context.complete(session, {"preview_id": preview_id, "files": findings.files})
        if preview.run_id == context.run_id:
            preview.findings = findings.model_dump(mode="json")
            chosen = request.model_copy(update={"format": findings.format, "class_map": proposed_map(findings)})
            preview.request = chosen.model_dump(mode="json")


def proposed_map(findings: Findings) -> dict[str, MappedLabel]:
    """The proposals that change a name."""
    return {
        found.name: MappedLabel(class_name=found.proposed) for found in findings.classes if found.proposed != found.name
    }


def save_choices(session: Session, preview_id: int, project_id: int, choices: Choices) -> bool:
    """Keep what was chosen; another format is looked at anew. Returns whether it is. Raises NotFound, Conflict."""
    preview = _open(session, preview_id, project_id)
    said = choices.model_dump(exclude_unset=True, mode="json")
    preview.touched_at = now()
    preview.name = choices.name or preview.name
    is_other = choices.format is not None and choices.format != preview.request.get("format")
    if is_other:
        said |= {"class_map": {}, "keep_columns": None}
        _end_look(session, preview)
    preview.request = ImportRequest.model_validate(preview.request | said).model_dump(mode="json")
    if is_other:
        _ask_for_look(session, preview)
    return is_other


def start(preview_id: int, project_id: int, *, user_id: int | None) -> int:
    """Begin the import; returns its batch, the same one when asked twice. Raises NotFound, Conflict, InvalidInput."""
    with read() as session:
        preview = get_preview(session, preview_id, project_id)
    if preview.batch_id is not None:
        return preview.batch_id
    if preview.findings is None:
        raise Conflict(tr("an import begins once it was looked at; this one has not been yet"))
    # Checked again before the lock is taken: the folder may have gone, or a link may lead elsewhere by now.
    request = settle(ImportRequest.model_validate(preview.request), project_id)
    with write() as session:
        preview = _open(session, preview_id, project_id)
        asked = request_import(session, project_id=project_id, user_id=user_id, request=request, is_settled=True)
        preview.state, preview.batch_id, preview.touched_at = "started", asked.batch_id, now()
        return asked.batch_id


def give_up(session: Session, preview_id: int, project_id: int) -> None:
    """End a preview without an import; files that were sent for it are removed. Raises NotFound, Conflict."""
    _close(session, _open(session, preview_id, project_id))


def _open(session: Session, preview_id: int, project_id: int) -> ImportPreview:
    preview = get_preview(session, preview_id, project_id)
    # Locked against a second "go" of another tab; SQLite's write session is alone anyway.
    session.refresh(preview, with_for_update=True)
    if preview.state != "open":
        raise Conflict(tr("this import was begun or given up already; name it again to import it anew"))
    return preview


def _close(session: Session, preview: ImportPreview) -> None:
    _end_look(session, preview)
    preview.state, preview.touched_at = "cancelled", now()
    request = ImportRequest.model_validate(preview.request)
    if request.kind in STAGED:
        after_commit(session, lambda: _remove_upload(request.path, preview.project_id))


def _end_look(session: Session, preview: ImportPreview) -> None:
    if preview.run_id is not None:
        run = get_run(session, preview.run_id, preview.project_id)
        if run.state in {RunState.QUEUED, RunState.RUNNING}:
            request_cancel(session, run.id, preview.project_id)


def _remove_upload(upload_id: str, project_id: int) -> None:
    try:
        folder = upload_folder(upload_id, project_id)
    except NotFound:
        return
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(session: Session, project_id: int) -> None:
    for preview in _stale(session, project_id):
        _close(session, preview)


def _stale(session: Session, project_id: int) -> Iterator[ImportPreview]:
    """Previews that nobody touched for KEPT_DAYS, a few at a time."""
    query = select(ImportPreview).where(
        ImportPreview.project_id == project_id,
        ImportPreview.state == "open",
        ImportPreview.touched_at < now() - timedelta(days=KEPT_DAYS),
    )
    yield from session.scalars(query.order_by(ImportPreview.id).limit(20)).all()
