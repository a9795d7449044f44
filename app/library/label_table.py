"""A CSV file that says which class, sub-class, capture group and metadata a file or a folder has."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Final

from app.core.errors import InvalidInput
from app.library.listing import FileLabel, class_word, safe_name

MAX_CSV_BYTES: Final = 256 * 2**20
_COLUMNS: Final = {
    "file": ("file", "file_name", "filename", "path", "image"),
    "folder": ("folder", "directory", "dir"),
    "class": ("class", "class_name", "label"),
    "sub_class": ("sub_class", "subclass", "sub_class_name"),
    "group": ("group", "capture_group"),
}
_MEANING: Final = {alias: column for column, aliases in _COLUMNS.items() for alias in aliases}


class LabelTable:
    """Labels by file and by folder. A file's own row wins, then its deepest folder."""

    def __init__(self, labels: Mapping[str, FileLabel], folders: Mapping[str, FileLabel]) -> None:
        self._files = labels
        self._folders = folders

    def __call__(self, name: str) -> FileLabel:
        """The label of a file by its name in the import; an empty one where the table is silent."""
        own = self._files.get(name) or self._files.get(name.rsplit("/", 1)[-1])
        if own is not None:
            return own
        folder = name
        while "/" in folder:
            folder = folder.rsplit("/", 1)[0]
            label = self._folders.get(folder) or self._folders.get(folder.rsplit("/", 1)[-1])
            if label is not None:
                return label
        return FileLabel()

    def files(self) -> Iterable[tuple[str, FileLabel]]:
        """Every file that has a row of its own, with its label."""
        return self._files.items()


def read_table(content: bytes) -> LabelTable:
    """Parse a CSV file (UTF-8; comma, semicolon or tab). Raises InvalidInput with the rule it breaks.

    Columns: `file` or `folder`, and any of `class`, `sub_class`, `group`; every other column becomes metadata.
    """
    rows = csv.DictReader(io.StringIO(_text(content)), delimiter=_delimiter(content), strict=True)
    try:
        columns = {header: _column(header) for header in rows.fieldnames or ()}
        _check_columns(columns)
        labels: dict[str, FileLabel] = {}
        folders: dict[str, FileLabel] = {}
        for row in rows:
            cells = {header: cell for header, cell in row.items() if header in columns and cell}
            named = {columns[header]: cell for header, cell in cells.items()}
            label = FileLabel(
                class_word(named.get("class")),
                class_word(named.get("sub_class")),
                class_word(named.get("group")),
                {header: cell for header, cell in cells.items() if columns[header] not in _COLUMNS},
            )
            _add(labels, named.get("file"), label, rows.line_num)
            _add(folders, named.get("folder"), label, rows.line_num)
    except csv.Error as error:
        raise InvalidInput(f"line {rows.line_num} of the CSV file cannot be read: {error}") from error
    return LabelTable(labels, folders)


def _text(content: bytes) -> str:
    if len(content) > MAX_CSV_BYTES:
        raise InvalidInput(f"a CSV file may have at most {MAX_CSV_BYTES:,} bytes; received {len(content):,}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"a CSV file must be UTF-8; byte {error.start:,} is not") from error


def _delimiter(content: bytes) -> str:
    header = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    return max((",", ";", "\t"), key=header.count)


def _column(header: str) -> str:
    plain = header.strip().lower().replace(" ", "_").replace("-", "_")
    return _MEANING.get(plain, header)


def _check_columns(columns: Mapping[str, str]) -> None:
    if not {"file", "folder"} & set(columns.values()):
        received = ", ".join(repr(header[:40]) for header in list(columns)[:10]) or "none"
        raise InvalidInput(f"a CSV file needs a column 'file' or 'folder'; its columns are {received}")
    named = [meaning for meaning in columns.values() if meaning in _COLUMNS]
    if len(named) != len(set(named)):
        raise InvalidInput(f"each column of a CSV file may occur once; received {', '.join(columns)[:200]}")


def _add(labels: dict[str, FileLabel], written: str | None, label: FileLabel, line: int) -> None:
    if not written:
        return
    name = safe_name(written.strip())
    if name is None:
        raise InvalidInput(f"line {line} of the CSV file must name a relative path; received {written[:80]!r}")
    if labels.setdefault(name, label) != label:
        raise InvalidInput(f"line {line} of the CSV file gives {name[:80]!r} a second, different label")
