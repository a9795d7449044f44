"""Bytes on disk: blobs by digest, append-only packs for what can be made again, named files for artifacts.

Originals are written beside, fsynced, renamed, and their folder fsynced: an acknowledged image survives a power cut.
Renditions are not fsynced; they can be made again from the original.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from ulid import ULID

from app.core.errors import NotFound
from app.core.settings import get_settings

PACK_BYTES = 64 * 2**20
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


def digest_of(content: bytes) -> str:
    """SHA-256 of the bytes, 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def written_beside(target: Path) -> Iterator[BinaryIO]:
    """A file that appears at `target` whole and durable, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{ULID()}.part")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
        sync_folder(target.parent)
    finally:
        beside.unlink(missing_ok=True)


@dataclass(frozen=True)
class Place:
    """Where a rendition lies: pack name, byte offset and length."""

    pack: str
    offset: int
    length: int


class Storage:
    """All folders under the data folder. Every path is built from a checked digest or name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str) -> Path:
        """One of our own folders, made where it is not there yet."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def blob_path(self, digest: str) -> Path:
        """Path of an original by its SHA-256. Raises NotFound for anything that is not 64 hex digits."""
        if not _DIGEST.match(digest):
            raise NotFound("a blob is addressed by 64 lower-case hex digits")
        return self.root / "blobs" / digest[:2] / digest

    def put_blob(self, content: bytes) -> str:
        """Store an original; returns its digest. Known bytes are not written again. For many: `BlobWriter`."""
        digest = digest_of(content)
        target = self.blob_path(digest)
        if not target.exists():
            with written_beside(target) as file:
                file.write(content)
        return digest

    def get_blob(self, digest: str) -> bytes:
        """The bytes of an original. Raises NotFound when they are gone."""
        try:
            return self.blob_path(digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no blob {digest}") from error

    def pack_path(self, name: str) -> Path:
        """Path of a rendition pack by its name."""
        return self.file_path("packs", name)

    def get_rendition(self, place: Place) -> bytes:
        """The bytes of a rendition. Raises NotFound when the pack is gone or shorter than it should be."""
        try:
            with self.pack_path(place.pack).open("rb") as file:
                content = os.pread(file.fileno(), place.length, place.offset)
        except FileNotFoundError as error:
            raise NotFound(f"no pack {place.pack}") from error
        if len(content) != place.length:
            raise NotFound(f"pack {place.pack} ends before the rendition does")
        return content

    def file_path(self, folder: str, name: str) -> Path:
        """A named file in one of our folders. Raises NotFound for a name that could leave the folder."""
        if not _NAME.match(name) or ".." in name:
            raise NotFound(f"not a file name of ours: {name[:80]!r}")
        return self.folder(folder) / name

    def work_dir(self, kind: str, run_id: int) -> Path:
        """A run's scratch folder; it survives a kill, so that an attempt can go on where the last one stopped."""
        folder = self.folder("work") / f"{kind}-{run_id}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class PackWriter:
    """Appends renditions to packs of this writer alone; a new pack begins at about 64 MiB."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._name = ""
        self._file: BinaryIO | None = None

    def append(self, content: bytes) -> Place:
        """Append; call `flush` before the place is committed to SQL."""
        if self._file is None or self._file.tell() >= PACK_BYTES:
            self.close()
            self._name = f"{ULID()}.pack"
            self._file = self._storage.pack_path(self._name).open("xb")
        place = Place(self._name, self._file.tell(), len(content))
        self._file.write(content)
        return place

    def flush(self) -> None:
        """Hand everything appended so far to the system. Call it before committing places."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Finish the present pack."""
        if self._file is not None:
            self._file.close()
            self._file = None


@lru_cache(maxsize=1)
def get_storage() -> Storage:
    """The storage of this process."""
    return Storage(get_settings().data_dir.resolve())
