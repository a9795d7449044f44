"""Asking for an import: what may be imported from where, and the run that will do it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.errors import Forbidden, InvalidInput
from app.core.settings import get_settings
from app.library.models import ImportBatch
from app.library.object_storage import split_path
from app.library.schemas import ImportRequest, RequestedImport, SourceKind
from app.library.uploads import staged_files, upload_folder
from app.runs.service import request_run

STAGED: Final = frozenset({SourceKind.UPLOAD, SourceKind.URLS})
"""Kinds whose `path` is the id of an upload, which goes when the import is done."""
REMOTE: Final = frozenset({SourceKind.S3, SourceKind.URLS})


def request_import(
    session: Session,
    *,
    project_id: int,
    user_id: int | None,
    request: ImportRequest,
    from_anywhere: bool = False,
    is_settled: bool = False,
) -> RequestedImport:
    """Queue an import inside a write session and make its batch.

    `from_anywhere` is for the command line, whose user can read the machine's files anyway; else a folder or archive
    must lie in one of the configured import roots. `is_settled` says that `settle` gave the request. Raises
    InvalidInput, Forbidden, NotFound.
    """
    settled = request if is_settled else settle(request, project_id, from_anywhere=from_anywhere)
    name = settled.name
    batch = ImportBatch(
        project_id=project_id,
        name=name,
        kind=request.kind,
        origin=request.origin,
        created_by=user_id,
        created_at=now(),
    )
    session.add(batch)
    session.flush()
    run_id = request_run(
        session,
        project_id=project_id,
        kind="library.import",
        title=f"Import {name}",
        parameters=settled.model_dump(mode="json"),
        created_by=user_id,
    )
    session.execute(update(ImportBatch).where(ImportBatch.id == batch.id).values(run_id=run_id))
    return RequestedImport(batch.id, run_id)


def settle(request: ImportRequest, project_id: int, *, from_anywhere: bool = False) -> ImportRequest:
    """The request with its paths resolved and checked, and with a name. Raises InvalidInput, Forbidden, NotFound."""
    checked = request.model_copy(update=_checked_paths(request, project_id, from_anywhere=from_anywhere))
    return checked.model_copy(update={"name": request.name or _default_name(checked, project_id)})


def _checked_paths(request: ImportRequest, project_id: int, *, from_anywhere: bool) -> dict[str, str]:
    if request.kind in REMOTE and request.labels_path is not None:
        raise InvalidInput("object storage and lists of addresses take the file with labels from among their files")
    if request.kind is SourceKind.S3:
        split_path(request.path)
        return {}
    if request.kind in STAGED:
        if request.labels_path is not None:
            raise InvalidInput("an upload takes the file with its labels from among the uploaded files")
        if not staged_files(upload_folder(request.path, project_id)):
            raise InvalidInput("an upload needs at least one file that arrived whole; this one has none")
        return {}
    is_folder = request.kind is SourceKind.FOLDER
    paths = {"path": str(_existing(request.path, is_folder=is_folder, from_anywhere=from_anywhere))}
    if request.labels_path is not None:
        paths["labels_path"] = str(_existing(request.labels_path, is_folder=False, from_anywhere=from_anywhere))
    return paths


def _existing(path: str, *, is_folder: bool, from_anywhere: bool) -> Path:
    """The resolved path. Outside the roots nothing is said of what exists there."""
    if "\0" in path:
        raise InvalidInput("a path has no zero byte")
    resolved = Path(path).expanduser().resolve() if from_anywhere else Path(path).resolve()
    if not from_anywhere and not any(resolved.is_relative_to(root) for root in import_roots()):
        raise Forbidden(f"the web app imports from the configured folders only; {path[:200]!r} is in none of them")
    if not (resolved.is_dir() if is_folder else resolved.is_file()):
        raise InvalidInput(f"{path[:200]!r} is no {'folder' if is_folder else 'file'} that can be read")
    return resolved


def import_roots() -> list[Path]:
    """The folders that the web app may import from."""
    return [root.resolve() for root in get_settings().import_roots]


def _default_name(request: ImportRequest, project_id: int) -> str:
    if request.kind is SourceKind.S3:
        return request.path.strip("/")
    if request.kind is SourceKind.URLS:
        return "List of addresses"
    if request.kind is not SourceKind.UPLOAD:
        return Path(request.path).resolve().name or request.path
    files = staged_files(upload_folder(request.path, project_id))
    return files[0].name if len(files) == 1 else f"Upload of {len(files):,} files"
