"""Imports that were named and looked at, for tests of exchange."""

from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.core.database import read, write
from app.exchange import previews
from app.exchange.findings import Findings
from app.exchange.models import ImportPreview
from app.exchange.queries import get_preview
from app.library.schemas import ImportRequest, SourceKind
from app.library.uploads import StagedWriter, open_upload, upload_folder
from tests.photos import photo
from worker.execution import execute_run


def staged(project_id: int, files: dict[str, bytes]) -> str:
    """An upload whose files have arrived; its id."""
    upload_id = open_upload(project_id)
    for name, content in files.items():
        with StagedWriter(upload_folder(upload_id, project_id), name=name, max_bytes=2**30) as file:
            file.write(content)
    return upload_id


def looked_at(project_id: int, path: Path | str, **values: Any) -> tuple[ImportPreview, Findings | None]:
    """Name an import and do the look at it here and now."""
    request = ImportRequest(path=str(path), **{"kind": SourceKind.FOLDER, "format": "", **values})
    preview_id = previews.create_preview(project_id, None, request)
    return look_again(project_id, preview_id)


def look_again(project_id: int, preview_id: int) -> tuple[ImportPreview, Findings | None]:
    """Do the look that waits."""
    with read() as session:
        run_id = session.scalars(select(ImportPreview.run_id).where(ImportPreview.id == preview_id)).one()
    execute_run(run_id or 0, previews.look)
    with read() as session:
        preview = get_preview(session, preview_id, project_id)
    return preview, Findings.model_validate(preview.findings) if preview.findings else None


def waiting_import(project_id: int, name: str, *, class_name: str) -> int:
    """An import of one sent file that was looked at and waits for a decision; its id."""
    upload_id = staged(project_id, {f"{class_name.replace('/', ' ')}/1.jpg": photo()})
    preview, _ = looked_at(project_id, upload_id, kind=SourceKind.UPLOAD, name=name)
    with write() as session:
        again = get_preview(session, preview.id, project_id)
        findings = dict(again.findings or {})
        findings["classes"] = [{**found, "name": class_name} for found in findings["classes"]]
        again.findings = findings
    return preview.id
