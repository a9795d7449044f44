"""A CSV file that names files or folders and tells all that is known of them; ours beside the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.core.errors import InvalidInput
from app.core.spreadsheet import csv_text
from app.exchange.formats.columns import COLUMNS, TableRow, cells, header, read_rows
from app.exchange.formats.documents import describing
from app.exchange.formats.names import file_part
from app.exchange.formats.plan import Problems, StoredPlan
from app.exchange.formats.rows import ExportRow, Rows, planned
from app.exchange.schemas import Format, Listing, PlannedFile

TABLE_NAME: Final = "labels.csv"
MOST_METADATA: Final = 200
_KEPT: Final = frozenset(COLUMNS) - {"file", "class"}


class TableWriter:
    """`images/` and `labels.csv`, in which an image has a row with everything."""

    name = "csv"
    title = "CSV"

    def place(self, row: ExportRow) -> str:
        """All in one folder."""
        return f"images/{file_part(row.file, row.format)}"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The table."""
        yield TABLE_NAME, table_pieces(rows)


def table_pieces(rows: Rows, *, only_metadata: frozenset[str] | None = None) -> Iterator[bytes]:
    """The table as CSV in pieces: one row an image, a column for each kind of metadata (at most MOST_METADATA)."""
    names = sorted({name for row in rows() for name in row.metadata})[:MOST_METADATA]
    names = [name for name in names if only_metadata is None or name in only_metadata]
    yield csv_text([header(names)]).encode()
    for row in rows():
        yield csv_text([cells(row, names)]).encode("utf-8", "replace")


def row_planned(name: str, row: TableRow) -> PlannedFile:
    """A row as what it says of a file or folder."""
    kept = {column: cell for column, cell in row.cells.items() if column in _KEPT and cell}
    kept["class_name"] = row.cells.get("class", "")
    return planned(name, row.cells.get("class"), kept=kept, sub_class=row.cells.get("sub_class"), metadata=row.metadata)


def _tables(listing: Listing) -> list[str]:
    """The CSV files, the least deep first."""
    return sorted((name for name in listing.names if name.lower().endswith(".csv")), key=lambda name: name.count("/"))


def _read(listing: Listing) -> StoredPlan:
    names = _tables(listing)
    if not names:
        raise InvalidInput("labels from a CSV file need one among what is imported; there is no file ending in .csv")
    name = names[0]
    inside = name.rpartition("/")[0]
    problems = Problems()
    folders: list[PlannedFile] = []

    def files() -> Iterator[PlannedFile]:
        for row in read_rows(listing.read(name)):
            if folder := row.cells.get("folder", "").strip():
                folders.append(row_planned(folder, row))
            elif file := row.cells.get("file", "").strip():
                yield row_planned(f"{inside}/{file}" if inside else file, row)
            else:
                problems.add(f"line {row.line} names no file")

    return StoredPlan(files(), describing=describing(listing, name), problems=problems, folders=folders)


CSV = Format("csv", "CSV file", lambda listing: bool(_tables(listing)), _read)
