"""Files on their way from a browser: staged below the data folder under names of ours until the import has run."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from ulid import ULID

from app.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from app.core.storage import digest_of, get_storage, written_beside
from app.library.listing import Entry, Skipped, is_junk, open_regular, safe_name

_MANIFEST: Final = "manifest.jsonl"
_KEEP_SECONDS: Final = 14 * 24 * 3600
_FILE_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_RESERVE: Final = 512 * 2**20
"""Bytes of the disk that staged files leave to everything else."""
CHUNK_BYTES: Final = 8 * 2**20
"""Most bytes of one chunk of a large file: it is held whole, so that its digest is checked before it is written."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file that arrived whole: the browser's name for it, and ours."""

    name: str
    stored_as: str


@dataclass(frozen=True, slots=True)
class Arriving:
    """A large file and how much of it has arrived for good."""

    file_id: str
    name: str
    size: int
    offset: int


def open_upload(project_id: int) -> str:
    """Make a staging folder; returns its id. Folders that nobody touched for two weeks are removed."""
    upload_id = f"{project_id}-{ULID()}"
    folder = get_storage().file_path("uploads", upload_id)
    oldest = time.time() - _KEEP_SECONDS
    for other in folder.parent.iterdir():
        if other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir()
    return upload_id


def upload_folder(upload_id: str, project_id: int) -> Path:
    """The staging folder of an upload to this project. Raises NotFound."""
    folder = get_storage().file_path("uploads", upload_id)
    if not upload_id.startswith(f"{project_id}-") or not folder.is_dir():
        raise NotFound(f"no upload {upload_id[:80]!r} in this project; its files may have been imported already")
    return folder


class StagedWriter:
    """One file arriving in one request: a context manager. It counts as staged only when the block has ended well."""

    def __init__(self, folder: Path, *, name: str, max_bytes: int, mark: str = "") -> None:
        """`mark` tells a file that is sent again from another one of its name. Raises InvalidInput for a bad name."""
        self._folder, self._name, self._max_bytes = folder, _checked_name(name), max_bytes
        self._stored_as = file_id_of(self._name, mark) if mark else str(ULID())
        _require_room(folder, max_bytes)
        self._beside = folder / f"{ULID()}.part"
        self._file = self._beside.open("xb")
        self._received = 0

    def write(self, piece: bytes) -> None:
        """Add bytes. Raises TooLarge over the limit."""
        self._received += len(piece)
        if self._received > self._max_bytes:
            raise TooLarge(f"a file may have at most {self._max_bytes:,} bytes; {self._name[:80]!r} has more")
        self._file.write(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None:
            self._beside.replace(self._folder / self._stored_as)
            _note(self._folder, self._name, self._stored_as)
        else:
            self._beside.unlink(missing_ok=True)


def _checked_name(name: str) -> str:
    checked = safe_name(name)
    if checked is None:
        raise InvalidInput(f"a file's name must be a plain relative path; received {name[:80]!r}")
    return checked


def file_id_of(name: str, mark: str) -> str:
    """Our name for a file, the same whenever the browser sends it again (`mark`: its size and time of change)."""
    return digest_of(f"{name}\0{mark}".encode())[:32]


def _note(folder: Path, name: str, stored_as: str) -> None:
    """Take a whole file into the upload's manifest: one short append, since several may end at once."""
    line = json.dumps({"name": name, "stored_as": stored_as}) + "\n"
    with (folder / _MANIFEST).open("ab", buffering=0) as manifest:
        manifest.write(line.encode())
        os.fsync(manifest.fileno())


def _require_room(folder: Path, size: int) -> None:
    """A disk that uploads fill up would take the database with it."""
    room = shutil.disk_usage(folder).free - _RESERVE
    if size > room:
        raise TooLarge(f"the server's disk has room for {max(0, room):,} more bytes; {size:,} may be needed")


def begin_large(folder: Path, *, name: str, size: int, mark: str, max_bytes: int) -> Arriving:
    """Announce a large file, or find how much of it arrived before. Raises InvalidInput, TooLarge."""
    checked = _checked_name(name)
    if size > max_bytes:
        raise TooLarge(f"a file may have at most {max_bytes:,} bytes; {checked[:80]!r} has {size:,}")
    file_id = file_id_of(checked, f"{size} {mark}")
    if not (folder / file_id).exists() and not (folder / f"{file_id}.json").exists():
        _require_room(folder, size)
        (folder / f"{file_id}.part").touch()
        with written_beside(folder / f"{file_id}.json") as about:
            about.write(json.dumps({"name": checked, "size": size}).encode())
    return arriving(folder, file_id)


def arriving(folder: Path, file_id: str) -> Arriving:
    """How much of a large file has arrived; one that is whole is staged now at the latest. Raises NotFound."""
    about = folder / f"{file_id}.json"
    if not _FILE_ID.match(file_id) or not about.is_file():
        raise NotFound(f"no file {file_id[:40]!r} arrives in this upload")
    said = json.loads(about.read_text())
    part, whole = folder / f"{file_id}.part", folder / file_id
    offset = part.stat().st_size if part.exists() else said["size"]
    if offset == said["size"]:
        # Each step may have been done before a server was killed.
        if part.exists():
            part.replace(whole)
        if all(file.stored_as != file_id for file in staged_files(folder)):
            _note(folder, said["name"], file_id)
    return Arriving(file_id, said["name"], said["size"], offset)


def append_chunk(folder: Path, file_id: str, *, offset: int, chunk: bytes, digest: str = "") -> Arriving:
    """Add the next bytes of a large file; on disk for good when this returns.

    `digest` is the chunk's SHA-256 in hex; empty: not checked. Raises Conflict with the right `offset` where the chunk
    does not begin at the end of what arrived, InvalidInput for a damaged chunk, TooLarge over the announced size.
    """
    before = arriving(folder, file_id)
    if digest and digest_of(chunk) != digest.lower():
        raise InvalidInput("a chunk must have the digest that was announced; this one was damaged on its way")
    if offset + len(chunk) > before.size:
        raise TooLarge(f"the file was announced with {before.size:,} bytes; received {offset + len(chunk):,}")
    if before.offset == before.size:
        raise Conflict("this file has arrived whole", detail={"offset": before.offset})
    try:
        part_file = (folder / f"{file_id}.part").open("r+b")
    except FileNotFoundError as error:  # another request has ended it a moment ago
        raise Conflict("this file has arrived whole", detail={"offset": before.size}) from error
    with part_file as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        end = part.seek(0, os.SEEK_END)
        if end != offset:
            raise Conflict(f"the next chunk begins at byte {end:,}; received {offset:,}", detail={"offset": end})
        part.write(chunk)
        part.flush()
        os.fsync(part.fileno())
    return arriving(folder, file_id)


def arrived(folder: Path) -> list[Arriving]:
    """Every file of an upload, whole or not: what a browser needs to go on after a reload."""
    whole = [Arriving(file.stored_as, file.name, size, size) for file, size in _sizes(folder)]
    ids = {file.file_id for file in whole}
    parts = [path.stem for path in folder.glob("*.json") if path.stem not in ids]
    return whole + [arriving(folder, file_id) for file_id in parts]


def _sizes(folder: Path) -> Iterator[tuple[StagedFile, int]]:
    return ((file, (folder / file.stored_as).stat().st_size) for file in staged_files(folder))


def staged_files(folder: Path) -> list[StagedFile]:
    """What has arrived, by name; a second file of one name gets a number."""
    manifest = folder / _MANIFEST
    lines = manifest.read_text().splitlines() if manifest.exists() else []
    noted = {StagedFile(**json.loads(line)) for line in lines}
    seen: dict[str, int] = {}
    files = []
    for file in sorted(noted, key=lambda file: (file.name, file.stored_as)):
        seen[file.name] = seen.get(file.name, 0) + 1
        name = file.name if seen[file.name] == 1 else f"{file.name} ({seen[file.name]})"
        files.append(StagedFile(name, file.stored_as))
    return files


class UploadSource:
    """The staged files of an upload as the source of an import."""

    readers = 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> Iterator[Entry | Skipped]:
        """Every staged file, by name."""
        for file in staged_files(self._folder):
            if not is_junk(file.name):
                yield Entry(file.name, partial(self._open, file.stored_as), self._size(file.stored_as))

    def close(self) -> None:
        """Nothing is held open."""

    def _size(self, stored_as: str) -> int | None:
        path = self._folder / stored_as
        return path.stat().st_size if path.is_file() else None

    def _open(self, stored_as: str) -> BinaryIO:
        return open_regular(self._folder / stored_as)
