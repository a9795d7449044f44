"""A Parquet manifest: one row for each image, typed columns, readable by any data tool."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from app.exchange.formats.names import file_part
from app.exchange.formats.rows import ExportRow, Rows

MANIFEST_NAME: Final = "manifest.parquet"
_ROWS: Final = 20_000
_COLUMNS: Final[tuple[tuple[str, str, Callable[[ExportRow], Any]], ...]] = (
    ("image_id", "int64", lambda row: row.image_id),
    ("sha256", "string", lambda row: row.sha256),
    ("path", "string", lambda row: row.path),
    ("file_name", "string", lambda row: row.file),
    ("state", "word", lambda row: row.state),
    ("class", "word", lambda row: row.class_name or None),
    ("sub_class", "word", lambda row: row.sub_class or None),
    ("split", "word", lambda row: row.split or None),
    ("origin", "word", lambda row: row.origin),
    ("capture_group", "string", lambda row: row.group or None),
    ("rotation", "int16", lambda row: row.rotation),
    ("why", "word", lambda row: row.why or None),
    ("quality", "word", lambda row: row.quality or None),
    ("small_subject", "bool", lambda row: row.small_subject),
    ("width", "int32", lambda row: row.width or None),
    ("height", "int32", lambda row: row.height or None),
)
"""Name, type and value of each column; a word is kept once however many rows have it."""


class ParquetWriter:
    """The manifest, with the pictures in one folder beside it where they are wanted."""

    name = "parquet"
    title = "Parquet manifest"

    def place(self, row: ExportRow) -> str:
        """All in one folder."""
        return f"images/{file_part(row.file, row.format)}"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The manifest."""
        yield MANIFEST_NAME, _pieces(rows)


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._written.append(bytes(content))
        return len(self._written[-1])

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._written = b"".join(self._written), []
        return taken


def _pieces(rows: Rows) -> Iterator[bytes]:
    import pyarrow as pa  # a fifth of a second that only an export needs
    import pyarrow.parquet as pq

    word = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema([(name, word if kind == "word" else pa.type_for_alias(kind)) for name, kind, _ in _COLUMNS])
    sink, rest = _Sink(), rows()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while part := list(islice(rest, _ROWS)):
            columns = [
                pa.array([told(row) for row in part], field.type)
                for field, (_, _, told) in zip(schema, _COLUMNS, strict=True)
            ]
            writer.write_table(pa.table(columns, schema=schema))
            yield sink.take()
    yield sink.take()
