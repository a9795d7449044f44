"""Asking for exports, finding what they made, and clearing what has expired."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import audit
from app.core.clock import now
from app.core.database import id_rows, read
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.core.texts import tr
from app.datasets.queries import get_snapshot
from app.exchange.formats.registry import make_writer
from app.exchange.formats.tfrecord import TfRecordWriter
from app.exchange.schemas import ExportRequest, Pictures
from app.library.selection import filter_of
from app.library.views import get_view
from app.runs.models import Run, RunState
from app.runs.queries import RunView, newest_runs, run_view
from app.runs.service import request_run

KIND: Final = "exchange.export"
_WORK: Final = "export"
_STORED: Final = re.compile(r"export-(\d+)\.\w+\Z")
_UNDER_WAY: Final = re.compile(r"(?:export|compare)-(\d+)\Z")


@dataclass(frozen=True, slots=True)
class ExportLine:
    """An export as people see it: its run, what was asked, and its file while there is one."""

    run: RunView
    request: ExportRequest
    format_title: str
    expires_at: datetime | None
    path: Path | None

    @property
    def bytes(self) -> int | None:
        """Size of the file."""
        return self.run.result.get("bytes")


def request_export(session: Session, *, project_id: int, user_id: int | None, request: ExportRequest) -> int:
    """Queue an export; returns its run. Raises InvalidInput for an unknown format or filter, NotFound for a view."""
    writer = make_writer(request.format)
    if request.format == TfRecordWriter.name and request.pictures is Pictures.NONE:
        raise InvalidInput(tr("TFRecord files hold the pictures: choose originals or renditions"))
    settled = request.model_copy(update={"query": _query(session, project_id, request), "view_id": None})
    run_id = request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title=f"Export as {writer.title}",
        parameters=settled.model_dump(mode="json"),
        created_by=user_id,
    )
    detail = {"run_id": run_id, **settled.model_dump(mode="json")}
    audit.write(
        session, action="export.requested", subject=writer.title, user_id=user_id, project_id=project_id, detail=detail
    )
    return run_id


def _query(session: Session, project_id: int, request: ExportRequest) -> str:
    if request.snapshot_id is not None:
        get_snapshot(session, request.snapshot_id, project_id)
        if request.query or request.view_id is not None:
            raise InvalidInput(tr("an export takes a snapshot, a filter or a saved view; received more than one"))
        return ""
    if request.view_id is None:
        return filter_of(request.query).query_string()
    if request.query:
        raise InvalidInput(tr("an export takes a filter or a saved view; received both"))
    return get_view(session, request.view_id, project_id).filter.query_string()


def exports(session: Session, project_id: int, *, before: int | None = None, limit: int = 50) -> list[ExportLine]:
    """Exports of a project, newest first."""
    return [_line(run) for run in newest_runs(session, project_id, before, limit, KIND)]


def get_export(session: Session, project_id: int, run_id: int) -> ExportLine:
    """One export of this project. Raises NotFound."""
    run = run_view(session, run_id, project_id)
    if run.kind != KIND:
        raise NotFound(tr("no export %(id)s in this project", id=run_id))
    return _line(run)


def downloadable(line: ExportLine) -> Path:
    """The file of an export. Raises Conflict where it is not made yet, NotFound where it has expired."""
    if line.path is not None:
        return line.path
    if line.run.state == RunState.SUCCEEDED:
        raise NotFound(tr("this export has expired; ask for a new one"))
    raise Conflict(tr("this export has no file yet; it is %(state)s", state=line.run.state))


def download_name(slug: str, line: ExportLine) -> str:
    """The name under which an export is saved."""
    return f"{slug}-{line.request.format}-{line.run.created_at:%Y%m%d-%H%M}{line.run.result['suffix']}"


def _line(run: RunView) -> ExportLine:
    request = ExportRequest.model_validate(run.parameters)
    told = run.result.get("expires_at")
    expires_at = datetime.fromisoformat(told) if told else None
    path = stored_path(run.id, run.result["suffix"]) if expires_at and expires_at > now() else None
    is_there = path is not None and path.is_file()
    return ExportLine(run, request, make_writer(request.format).title, expires_at, path if is_there else None)


def stored_path(run_id: int, suffix: str) -> Path:
    """Where the file of an export lies."""
    return get_storage().file_path("exports", f"export-{run_id}{suffix}")


def work_dir(run_id: int) -> Path:
    """What an export under way keeps, for as long as it can be resumed."""
    return get_storage().work_dir(_WORK, run_id)


def sweep_exports() -> int:
    """Delete the files of expired exports, what abandoned ones left, and old comparisons. Returns how many."""
    limit = now() - timedelta(days=get_settings().export_days)
    storage = get_storage()
    files = {path: int(found[1]) for path in _inside(storage.root / "exports") if (found := _STORED.match(path.name))}
    folders = {path: int(found[1]) for path in _inside(storage.root / "work") if (found := _UNDER_WAY.match(path.name))}
    with read() as session:
        runs = select(Run.id).where(Run.id.in_(id_rows(session, [*files.values(), *folders.values()])))
        kept = set(session.scalars(runs.where((Run.finished_at >= limit) | Run.finished_at.is_(None))))
    due = [path for path, run_id in {**files, **folders}.items() if run_id not in kept]
    for path in due:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(due)


def _inside(folder: Path) -> Sequence[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
