"""The columns of our CSV files, their meaning in those of others, and a row of either as plain texts."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.core.errors import InvalidInput
from app.core.spreadsheet import plain_cell
from app.exchange.formats.rows import ExportRow

LABEL_COLUMNS: Final = ("state", "class", "sub_class", "quality", "small_subject", "rotation")
COLUMNS: Final = (
    *("file", "arrived_as", "sha256", *LABEL_COLUMNS, "origin", "split", "group"),
    *("labelled_by", "labelled_at", "how", "label_version", "label_check"),
)
METADATA_PREFIX: Final = "metadata."
_ALIASES: Final = {
    "file": ("file", "file_name", "filename", "path", "image"),
    "folder": ("folder", "directory", "dir"),
    "class": ("class", "class_name", "label"),
    "sub_class": ("sub_class", "subclass", "sub_class_name"),
    "group": ("group", "capture_group"),
}
_MEANING: Final = {alias: column for column, aliases in _ALIASES.items() for alias in aliases}


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: `cells` by our column names, `metadata` by its own. `line` is where it ends in the file."""

    line: int
    cells: Mapping[str, str]
    metadata: Mapping[str, str]


def cells(row: ExportRow, metadata_columns: Sequence[str]) -> list[str]:
    """An image as the cells of COLUMNS and of its metadata."""
    label = _label_cells(row)
    before = [row.path or row.file, row.file, row.sha256, *label]
    after = [row.origin, row.split, row.group, row.labelled_by, row.labelled_at, row.how, str(row.label_version)]
    return [*before, *after, label_check(label), *(row.metadata.get(name, "") for name in metadata_columns)]


def _label_cells(row: ExportRow) -> list[str]:
    small = "yes" if row.small_subject else "no"
    return [row.state, row.class_name, row.sub_class, row.quality, small, str(row.rotation)]


def label_check(label_cells: Sequence[str]) -> str:
    """A short digest of LABEL_COLUMNS as they were written: a row where it still fits has not been edited."""
    return hashlib.sha256("\x1f".join(label_cells).encode()).hexdigest()[:12]


def header(metadata_columns: Sequence[str]) -> list[str]:
    """COLUMNS and a column for each kind of metadata; one of a name that means something here gets a prefix."""
    taken = {*COLUMNS, *_MEANING}
    titles = [
        f"{METADATA_PREFIX}{name}" if _plain(name) in taken or name.startswith(METADATA_PREFIX) else name
        for name in metadata_columns
    ]
    return [*COLUMNS, *titles]


def read_rows(content: bytes, *, is_ours: bool = False) -> Iterator[TableRow]:
    """The rows of a CSV file (UTF-8; comma, semicolon or tab), formula guards taken off.

    A table that has both `sha256` and `label_version` is one of ours (or `is_ours` says so), and all COLUMNS count; in
    others only file or folder, class, sub_class, group and sha256 do, and the rest is metadata. Raises InvalidInput
    with the rule broken.
    """
    rows = csv.reader(io.StringIO(_text(content), newline=""), delimiter=_delimiter(content), strict=True)
    try:
        titles = [plain_cell(title) for title in next(rows, [])]
        meanings = _meanings(titles, is_ours=is_ours)
        for row in rows:
            texts = [plain_cell(cell) for cell in row]
            told = dict(zip(titles, texts, strict=False))
            yield TableRow(
                rows.line_num,
                {column: told.get(title, "") for title, column in meanings.items() if column in _KNOWN},
                {
                    column.removeprefix(METADATA_PREFIX): told[title]
                    for title, column in meanings.items()
                    if column not in _KNOWN and told.get(title)
                },
            )
    except csv.Error as error:
        raise InvalidInput(f"line {rows.line_num} of the CSV file cannot be read: {error}") from error


_KNOWN: Final = frozenset({*COLUMNS, *_ALIASES})


def _meanings(titles: Sequence[str], *, is_ours: bool) -> dict[str, str]:
    plain = [_plain(title) for title in titles]
    is_ours = is_ours or {"sha256", "label_version"} <= set(plain)
    known = {*_ALIASES, "sha256", *(COLUMNS if is_ours else ())}
    meanings: dict[str, str] = {}
    for title, word in zip(titles, plain, strict=True):
        meaning = _MEANING.get(word, word)
        column = meaning if meaning in known else title.removeprefix(METADATA_PREFIX)
        meanings[title] = f"{METADATA_PREFIX}{column}" if column in _KNOWN and meaning not in known else column
    if not {"file", "folder", "sha256"} & set(meanings.values()):
        received = ", ".join(repr(title[:40]) for title in titles[:10]) or "none"
        raise InvalidInput(f"a CSV file needs a column 'file' or 'folder'; its columns are {received}")
    named = [column for column in meanings.values() if column in _KNOWN]
    if len(named) != len(set(named)) or len(set(titles)) != len(titles):
        raise InvalidInput(f"each column of a CSV file may occur once; received {', '.join(titles)[:200]}")
    return meanings


def _plain(title: str) -> str:
    return title.strip().lower().replace(" ", "_").replace("-", "_")


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"a CSV file must be UTF-8; byte {error.start:,} is not") from error


def _delimiter(content: bytes) -> str:
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    return max((",", ";", "\t"), key=first.count)
