"""Embeddings of views in files: float16 rows by key, appended by several runs at once, never changed once written.

Each file appears whole or not at all. What two runs wrote for one key is the same. A damaged file is deleted: what it
held is missing again. Form, little-endian: magic, version, width, rows, CRC-32 of the rest; a key for each row (u64);
the rows.
"""

import struct
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.learning.files import written_beside

Keys = npt.NDArray[np.uint64]
Halves = npt.NDArray[np.float16]

_SUFFIX: Final = ".views"
_MAGIC: Final = b"WNVIEWS\0"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIIQI4x")


@dataclass(frozen=True)
class StoredViews:
    """All that a folder holds: `keys` sorted (N,), each once, and where its row lies."""

    keys: Keys
    files: tuple[Halves, ...]
    _file_of: npt.NDArray[np.int64]
    _row_of: npt.NDArray[np.int64]

    def has(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Which of `keys` are there."""
        return np.isin(keys, self.keys)

    def copy_into(self, out: Halves, keys: Keys) -> None:
        """`out[n]`, (E,), becomes the row of `keys[n]`, for all that are there; the others stay as they are."""
        wanted = np.flatnonzero(self.has(keys))
        found = np.searchsorted(self.keys, keys[wanted])
        for number, rows in enumerate(self.files):
            here = self._file_of[found] == number
            out[wanted[here]] = rows[self._row_of[found[here]]]


def open_views(folder: Path, *, width: int) -> StoredViews:
    """Opens every file of `folder` after checking it; deletes those that are damaged."""
    keys, files = [np.empty(0, np.uint64)], []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        found = _read(path, width)
        if found is None:
            path.unlink(missing_ok=True)
        else:
            keys.append(found[0])
            files.append(found[1])
    counts = [len(rows) for rows in files]
    unique, first = np.unique(np.concatenate(keys), return_index=True)
    file_of = np.repeat(np.arange(len(files)), counts)
    row_of = np.concatenate([np.arange(count) for count in [0, *counts]]).astype(np.int64)
    return StoredViews(unique, tuple(files), file_of[first], row_of[first])


def append_views(folder: Path, keys: Keys, rows: npt.NDArray[np.float32]) -> None:
    """Writes one more file: `rows` float32 (N, E), held as float16; beyond its range they are cut to it."""
    largest = np.finfo(np.float16).max
    content = keys.astype("<u8").tobytes() + np.clip(rows, -largest, largest).astype("<f2").tobytes()
    header = _HEADER.pack(_MAGIC, _VERSION, rows.shape[1], len(rows), zlib.crc32(content))
    with written_beside(folder / f"{uuid.uuid4().hex}{_SUFFIX}") as beside:
        beside.write_bytes(header + content)


def _read(path: Path, width: int) -> tuple[Keys, Halves] | None:
    """Keys (N,) and rows (N, E), the latter mapped; None if the file is not as it was written."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        magic, version, stored_width, count, crc = _HEADER.unpack(header)
        content = file.read()
    fits = (magic, version, stored_width, len(content)) == (_MAGIC, _VERSION, width, count * (8 + 2 * width))
    if not fits or zlib.crc32(content) != crc:
        return None
    keys = np.frombuffer(content, "<u8", count).astype(np.uint64)
    return keys, np.memmap(path, "<f2", "r", _HEADER.size + count * 8, (count, width))
