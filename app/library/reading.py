"""Opening what an import reads, and reading files of strangers within bounds."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.errors import InvalidInput
from app.core.settings import get_settings
from app.library.addresses import AddressSource
from app.library.archive import ArchiveSource
from app.library.listing import Entry, FileLabel, FolderSource, Skipped, Source
from app.library.models import Origin
from app.library.object_storage import ObjectSource
from app.library.preparing import Content
from app.library.schemas import ImportRequest, SourceKind
from app.library.uploads import UploadSource, staged_files, upload_folder

# What reading a damaged member, a vanished file or a failing disk raises.
UNREADABLE: Final = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Labels:
    """How an import labels files; `describing` are the files that say so, which are no pictures.

    `origin_of` gives the origin of a file where it is another than the import's.
    """

    label_of: Callable[[str], FileLabel]
    origin_of: Callable[[str], Origin | None] = lambda _: None
    describing: frozenset[str] = frozenset()


def open_source(request: ImportRequest, project_id: int) -> Source:
    """The source of an import. Raises InvalidInput, NotFound or TooLarge where it cannot be used."""
    if request.kind is SourceKind.UPLOAD:
        folder = upload_folder(request.path, project_id)
        files = staged_files(folder)
        if len(files) == 1 and zipfile.is_zipfile(folder / files[0].stored_as):
            return _archive(folder / files[0].stored_as, files[0].name)
        return UploadSource(folder)
    if request.kind is SourceKind.URLS:
        return AddressSource(upload_folder(request.path, project_id))
    if request.kind is SourceKind.S3:
        return ObjectSource(request.path)
    path = Path(request.path)
    if request.kind is SourceKind.ZIP:
        if not path.is_file():
            raise InvalidInput(f"the archive {path.name!r} is no longer there")
        return _archive(path, path.name)
    if not path.is_dir():
        raise InvalidInput(f"the folder {path.name!r} is no longer there")
    return FolderSource(path)


def _archive(path: Path, name: str) -> ArchiveSource:
    limits = get_settings()
    return ArchiveSource(path, name=name, max_entries=limits.max_archive_entries, max_bytes=limits.max_archive_bytes)


def entries(source: Source) -> Iterator[Entry]:
    """The files of a source that may be read."""
    return (file for file in source.files() if not isinstance(file, Skipped))


def read_within(entry: Entry, max_bytes: int) -> Content:
    """Read a file as a stream; over `max_bytes` only the digest is taken. Raises one of UNREADABLE."""
    digest = hashlib.sha256()
    pieces: list[bytes] | None = []
    byte_count = 0
    with entry.open() as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            byte_count += len(piece)
            if byte_count > max_bytes:
                pieces = None
            elif pieces is not None:
                pieces.append(piece)
    return Content(b"".join(pieces) if pieces is not None else None, digest.hexdigest(), byte_count)
