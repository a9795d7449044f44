"""A zip archive written as a stream, entries stored as they are, that a killed job can go on with.

`zipfile` keeps every entry in memory until the end and cannot continue an archive that has none; here the central
directory grows in a file beside. Format: PKWARE APPNOTE 6.3.10, with ZIP64 where sizes or counts ask for it.
"""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
_LOCAL_EXTRA: Final = struct.Struct("<HHQQ")
_CENTRAL_EXTRA: Final = struct.Struct("<HHQQQ")
_END_64: Final = struct.Struct("<IQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<IIQI")
_END: Final = struct.Struct("<IHHHHIIH")
_VERSION_64, _UNIX, _UTF8, _STORED, _ZIP64 = 45, 3, 0x800, 0, 0x0001
_MASK_32, _MASK_16 = 0xFFFFFFFF, 0xFFFF
_PLAIN_FILE: Final = 0o100644 << 16
_FIRST_YEAR: Final = 1980


@dataclass(frozen=True, slots=True)
class Mark:
    """A point from which an archive can be continued: bytes of it and of its directory, and entries."""

    archive_bytes: int = 0
    directory_bytes: int = 0
    entries: int = 0


class ZipWriter:
    """Appends entries to `path`; the archive is whole after `finish`. A context manager that only closes."""

    def __init__(self, path: Path, *, at: datetime, mark: Mark | None = None) -> None:
        """Begins anew, or goes on from `mark`, dropping what was written after it. `at` is every entry's time."""
        start = mark or Mark()
        self._directory_path = path.with_name(f"{path.name}.directory")
        for file, size in ((path, start.archive_bytes), (self._directory_path, start.directory_bytes)):
            file.touch()
            os.truncate(file, size)
        self._file = path.open("r+b")
        self._directory = self._directory_path.open("r+b")
        self._file.seek(start.archive_bytes)
        self._directory.seek(start.directory_bytes)
        self._entries = start.entries
        self._date = ((max(at.year, _FIRST_YEAR) - _FIRST_YEAR) << 9) | (at.month << 5) | at.day
        self._time = (at.hour << 11) | (at.minute << 5) | (at.second // 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._directory.close()

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        """Append an entry; `name` is a relative path with forward slashes, used once."""
        raw = name.encode()
        offset = self._file.tell()
        self._file.write(self._local(raw, 0, 0))
        crc = size = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            self._file.write(piece)
        end = self._file.tell()
        self._file.seek(offset)
        self._file.write(self._local(raw, crc, size))
        self._file.seek(end)
        self._directory.write(self._central(raw, crc, size, offset))
        self._entries += 1

    def mark(self) -> Mark:
        """Make everything so far durable; where a later attempt may go on."""
        for file in (self._file, self._directory):
            file.flush()
            os.fsync(file.fileno())
        return Mark(self._file.tell(), self._directory.tell(), self._entries)

    def finish(self) -> int:
        """Append the directory; returns the archive's size in bytes. Nothing may be added any more."""
        start = self._file.tell()
        self._directory.seek(0)
        shutil.copyfileobj(self._directory, self._file, 2**20)
        size, count = self._file.tell() - start, self._entries
        if count >= _MASK_16 or start >= _MASK_32 or size >= _MASK_32:
            end_64 = self._file.tell()
            versions = (_VERSION_64, _VERSION_64, 0, 0)
            self._file.write(_END_64.pack(0x06064B50, _END_64.size - 12, *versions, count, count, size, start))
            self._file.write(_LOCATOR.pack(0x07064B50, 0, end_64, 1))
        shown = min(count, _MASK_16)
        self._file.write(_END.pack(0x06054B50, 0, 0, shown, shown, min(size, _MASK_32), min(start, _MASK_32), 0))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._directory_path.unlink()
        return self._file.tell()

    def _local(self, name: bytes, crc: int, size: int) -> bytes:
        """The header before an entry, always with the ZIP64 field: its length must not depend on the size."""
        when = (self._time, self._date)
        sizes = (_MASK_32, _MASK_32, len(name), _LOCAL_EXTRA.size)
        head = _LOCAL.pack(0x04034B50, _VERSION_64, _UTF8, _STORED, *when, crc, *sizes)
        return head + name + _LOCAL_EXTRA.pack(_ZIP64, _LOCAL_EXTRA.size - 4, size, size)

    def _central(self, name: bytes, crc: int, size: int, offset: int) -> bytes:
        made_by = (_UNIX << 8) | _VERSION_64
        is_large = size >= _MASK_32 or offset >= _MASK_32
        extra = _CENTRAL_EXTRA.pack(_ZIP64, _CENTRAL_EXTRA.size - 4, size, size, offset) if is_large else b""
        shown = (_MASK_32, _MASK_32) if is_large else (size, size)
        head = _CENTRAL.pack(
            *(0x02014B50, made_by, _VERSION_64, _UTF8, _STORED, self._time, self._date, crc, *shown),
            *(len(name), len(extra), 0, 0, 0, _PLAIN_FILE, _MASK_32 if is_large else offset),
        )
        return head + name + extra
