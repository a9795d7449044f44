"""A zip archive as the source of an import. It comes from strangers: nothing in it is believed before it is checked.

Members are read as streams and never extracted, so that no name in the archive ever becomes a path.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

from app.core.errors import InvalidInput, TooLarge
from app.library.listing import Entry, Skipped, is_junk, safe_name

_END: Final = struct.Struct("<4s4H2LH")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = struct.Struct("<4sLQL")
_ENTRY: Final = struct.Struct("<4s24x3H12x")
_LONGEST_COMMENT: Final = 65_535
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveSource:
    """An archive whose number of entries and unpacked size are within the limits.

    Raises InvalidInput for what is no zip archive, TooLarge for one over a limit.
    """

    readers = 1

    def __init__(self, path: Path, *, name: str, max_entries: int, max_bytes: int) -> None:
        if path.stat().st_size > max_bytes:
            raise TooLarge(f"an archive may have at most {max_bytes:,} bytes; this one has {path.stat().st_size:,}")
        with path.open("rb") as file:
            _check_entry_count(file, max_entries)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise InvalidInput(f"not a usable zip archive: {error}") from error
        self._stem = Path(name).stem
        unpacked = sum(info.file_size for info in self._zip.infolist())
        if unpacked > max_bytes:
            self.close()
            raise TooLarge(f"an archive may unpack to at most {max_bytes:,} bytes; this one says {unpacked:,}")

    def files(self) -> Iterator[Entry | Skipped]:
        """The members in the archive's order; unsafe ones are skipped with the reason."""
        wrapper = self._wrapper()
        seen: set[str] = set()
        for info in self._zip.infolist():
            if info.orig_filename.endswith("/"):
                continue
            name = safe_name(info.orig_filename)
            if name is not None and is_junk(name):
                continue
            fault = "its name is not a plain relative path" if name is None else _fault(info)
            if fault is None and name in seen:
                fault = "its name occurs twice in the archive"
            if fault is not None or name is None:
                yield Skipped((name or info.orig_filename)[:200], fault or "")
                continue
            seen.add(name)
            yield Entry(name.removeprefix(wrapper), partial(self._open, info), info.file_size)

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def _open(self, info: zipfile.ZipInfo) -> BinaryIO:
        return cast("BinaryIO", self._zip.open(info))

    def _wrapper(self) -> str:
        """The folder that holds everything; it is no class if it has the archive's name or folders of its own."""
        written = (info.orig_filename for info in self._zip.infolist() if not info.orig_filename.endswith("/"))
        names = [name for name in map(safe_name, written) if name and not is_junk(name)]
        wrapper = names[0].split("/")[0] + "/" if names else ""
        if not all(name.startswith(wrapper) for name in names):
            return ""
        is_of_folders = any("/" in name.removeprefix(wrapper) for name in names)
        return wrapper if is_of_folders or wrapper == f"{self._stem}/" else ""


def _fault(info: zipfile.ZipInfo) -> str | None:
    """Why a member is not read, if it is not."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "links and special files are not followed"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if info.compress_type not in _METHODS:
        return "it is compressed by a method other than deflate"
    return None


def _check_entry_count(file: BinaryIO, max_entries: int) -> None:
    """Walk the central directory entry by entry, since loading it takes memory for as many as somebody wrote."""
    start, end = _directory(file)
    file.seek(start)
    for _ in range(max_entries):
        if file.tell() + _ENTRY.size > end:
            return
        signature, *lengths = _ENTRY.unpack(file.read(_ENTRY.size))
        if signature != b"PK\1\2":
            raise InvalidInput("not a usable zip archive: its directory is damaged")
        file.seek(sum(lengths), os.SEEK_CUR)
    if file.tell() < end:
        raise TooLarge(f"an archive may have at most {max_entries:,} entries; this one has more")


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Where the central directory starts and ends (PKWARE APPNOTE 4.3.14 to 4.3.16)."""
    length = file.seek(0, os.SEEK_END)
    tail_start = max(0, length - _END.size - _LONGEST_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise InvalidInput("not a zip archive: it has no directory at its end")
    directory_bytes = _END.unpack_from(tail, at)[5]
    end = tail_start + at
    locator = at - _LOCATOR_64.size
    if locator >= 0 and tail.startswith(b"PK\6\7", locator):
        end -= _LOCATOR_64.size + _END_64.size
        file.seek(max(0, end))
        record = file.read(_END_64.size)
        if not record.startswith(b"PK\6\6"):
            raise InvalidInput("not a usable zip archive: its 64-bit directory record is missing")
        directory_bytes = _END_64.unpack(record)[8]
    if directory_bytes > end:
        raise InvalidInput("not a usable zip archive: its directory is larger than the archive")
    return end - directory_bytes, end
