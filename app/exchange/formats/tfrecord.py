"""TFRecord files of tf.train.Example, one folder for each split, pictures inside; written without TensorFlow.

https://www.tensorflow.org/tutorials/load_data/tfrecord : a record is its length, the masked CRC-32C of that, the bytes
and their masked CRC-32C. Example, Features and Feature are protocol buffers of a few fields, encoded by hand.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from app.exchange.formats.crc32c import masked_crc32c
from app.exchange.formats.plain import NO_SPLIT
from app.exchange.formats.rows import ExportRow, Rows
from app.exchange.formats.table import TABLE_NAME, table_pieces

CLASSES_NAME: Final = "classes.txt"
_LENGTH: Final = struct.Struct("<Q")
_CHECKSUM: Final = struct.Struct("<I")
_BYTES, _INTEGERS = 1, 3


class TfRecordWriter:
    """`SPLIT/NUMBER.tfrecord`, the names of the classes by their number, and the table of all images."""

    name = "tfrecord"
    title = "TFRecord by split"

    def __init__(self) -> None:
        self._classes: dict[str, int] | None = None

    def place(self, row: ExportRow) -> str:
        """A name of its own; the picture itself lies in a record."""
        return f"{row.split or NO_SPLIT}/{row.sha256}.jpg"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The class names, one a line, the first being number 0; and the table."""
        yield CLASSES_NAME, (f"{name}\n".encode() for name in self._numbers(rows))
        yield TABLE_NAME, table_pieces(rows)

    def shard(self, split: str, number: int) -> str:
        """The name of a shard."""
        return f"{split or NO_SPLIT}/{number:06d}.tfrecord"

    def record(self, row: ExportRow, picture: bytes, rows: Rows) -> bytes:
        """One image as a record. `image/class/label` is its class's line in classes.txt from 0; -1 without a class."""
        label = self._numbers(rows).get(row.class_name, -1)
        return framed(
            example(
                {
                    "image/encoded": picture,
                    "image/id": row.image_id,
                    "image/key/sha256": row.sha256.encode(),
                    "image/filename": row.file.encode("utf-8", "replace"),
                    "image/class/label": label,
                    "image/class/text": row.class_name.encode("utf-8", "replace"),
                    "image/sub_class/text": row.sub_class.encode("utf-8", "replace"),
                    "image/split": row.split.encode(),
                    "image/origin": row.origin.encode(),
                    "image/rotation": row.rotation,
                    "image/why": row.why.encode(),
                }
            )
        )

    def _numbers(self, rows: Rows) -> Mapping[str, int]:
        if self._classes is None:
            names = sorted({row.class_name for row in rows() if row.class_name})
            self._classes = {name: number for number, name in enumerate(names)}
        return self._classes


def framed(content: bytes) -> bytes:
    """A record as it stands in the file."""
    length = _LENGTH.pack(len(content))
    head = length + _CHECKSUM.pack(masked_crc32c(length))
    return head + content + _CHECKSUM.pack(masked_crc32c(content))


def example(features: Mapping[str, bytes | int]) -> bytes:
    """A tf.train.Example: one value, text or whole number, for each feature."""
    entries = b"".join(
        _delimited(1, _delimited(1, name.encode()) + _delimited(2, _feature(value))) for name, value in features.items()
    )
    return _delimited(1, entries)


def _feature(value: bytes | int) -> bytes:
    if isinstance(value, bytes):
        return _delimited(_BYTES, _delimited(1, value))
    return _delimited(_INTEGERS, _delimited(1, _varint(value & 0xFFFFFFFFFFFFFFFF)))


def _delimited(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    pieces = bytearray()
    while value >> 7:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)
