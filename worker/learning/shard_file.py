"""One shard: raw uint8 pixels of some images behind a header of 64 bytes, and a table that ends the file.

Header, little-endian: magic, version, rows, size, CRC-32 of the table, fingerprint of the set. Pixels in C order,
(rows, S, S, 3). The table: a CRC-32 for each row (u32), then a byte for each that says whether the image was at hand.
Every row is checked when it is read, so a set can be opened without reading it.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.learning.files import written_beside

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.integer]

VERSION: Final = 2
_MAGIC: Final = b"WNSHARD\0"
_HEADER: Final = struct.Struct("<8sIIII32s8x")
_TABLE_ROW_BYTES: Final = 5


@dataclass(frozen=True)
class ShardTable:
    """What ends a shard: `checksums` uint32 (rows,) and `is_present` bool (rows,)."""

    checksums: npt.NDArray[np.uint32]
    is_present: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ShardFile:
    """Where a shard lies, and what it must hold."""

    path: Path
    rows: int
    size: int
    fingerprint: bytes

    def read_table(self) -> ShardTable | None:
        """The table, checked with the header and the length of the file; None if any of it is not as written."""
        try:
            with self.path.open("rb") as file:
                header = file.read(_HEADER.size)
                length = file.seek(0, os.SEEK_END)
                if length != self._table_at + self.rows * _TABLE_ROW_BYTES:
                    return None
                file.seek(self._table_at)
                table = file.read()
        except FileNotFoundError:
            return None
        if header != self._header(table):
            return None
        checksums = np.frombuffer(table, "<u4", self.rows)
        return ShardTable(checksums, np.frombuffer(table, np.uint8, self.rows, self.rows * 4).astype(bool))

    def read_into(self, pixels: Pixels, places: Sequence[int], rows: Rows, checksums: npt.NDArray[np.uint32]) -> bool:
        """Reads row `rows[n]` into `pixels[places[n]]`, uint8 (S, S, 3) each; whether all agree with `checksums`."""
        try:
            handle = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            for place, row, checksum in zip(places, rows.tolist(), checksums.tolist(), strict=True):
                target = memoryview(pixels[place]).cast("B")
                read = os.preadv(handle, [target], _HEADER.size + row * self._row_bytes)
                if read != self._row_bytes or zlib.crc32(target) != checksum:
                    return False
        finally:
            os.close(handle)
        return True

    def is_sound(self) -> bool:
        """Whether every row agrees with the table: reads the whole file."""
        table = self.read_table()
        if table is None:
            return False
        pixels = np.empty((1, self.size, self.size, 3), np.uint8)
        return self.read_into(pixels, [0] * self.rows, np.arange(self.rows), table.checksums)

    def write(self, images: Iterator[Pixels | None]) -> None:
        """Writes the file beside and renames it; None stands for an image that is not at hand, and is black."""
        checksums, present = np.zeros(self.rows, "<u4"), np.zeros(self.rows, np.uint8)
        black = bytes(self._row_bytes)
        with written_beside(self.path) as beside, beside.open("wb") as file:
            file.write(bytes(_HEADER.size))
            for row, pixels in enumerate(images):
                content = black if pixels is None else np.ascontiguousarray(pixels).data.cast("B")
                present[row] = pixels is not None
                checksums[row] = zlib.crc32(content)
                file.write(content)
            table = checksums.tobytes() + present.tobytes()
            file.write(table)
            file.seek(0)
            file.write(self._header(table))

    @property
    def _row_bytes(self) -> int:
        return self.size * self.size * 3

    @property
    def _table_at(self) -> int:
        return _HEADER.size + self.rows * self._row_bytes

    def _header(self, table: bytes) -> bytes:
        return _HEADER.pack(_MAGIC, VERSION, self.rows, self.size, zlib.crc32(table), self.fingerprint)
