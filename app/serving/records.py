"""The spool's file format: records with length and CRC, so that a torn end is told from a whole record.

A record is `<header length, body length, CRC-32 of both parts: 3 × uint32, little-endian>`, the header (JSON of the
transaction) and the body (the image's bytes, or nothing).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from app.serving.schemas import Served

_PREFIX: Final = struct.Struct("<III")


class DamagedSegmentError(Exception):
    """A segment that does not end with a whole record; `offset` is where the whole ones end."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"no whole record at byte {offset}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Spooled:
    """A transaction and its image's bytes (empty where they are not kept)."""

    served: Served
    image_bytes: bytes

    def encode(self) -> bytes:
        """As one record."""
        header = self.served.to_json()
        checksum = zlib.crc32(self.image_bytes, zlib.crc32(header))
        return b"".join((_PREFIX.pack(len(header), len(self.image_bytes), checksum), header, self.image_bytes))


def read_records(path: Path) -> Iterator[Spooled]:
    """The whole records of a segment, in order. Raises DamagedSegmentError after the last if something else follows."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while (offset := file.tell()) < size:
            record = _read_record(file, size - offset)
            if record is None:
                raise DamagedSegmentError(offset)
            yield record


def _read_record(file: BinaryIO, left: int) -> Spooled | None:
    if left < _PREFIX.size:
        return None
    header_length, body_length, checksum = _PREFIX.unpack(file.read(_PREFIX.size))
    if _PREFIX.size + header_length + body_length > left:
        return None
    header, body = file.read(header_length), file.read(body_length)
    if zlib.crc32(body, zlib.crc32(header)) != checksum:
        return None
    try:
        return Spooled(Served.from_json(header), body)
    except ValueError:
        return None
