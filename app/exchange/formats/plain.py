"""The formats that need no description: class folders, and nothing at all.

We write class folders with a table beside them, in which each path has the names that its folders could not carry; so
what we wrote is read as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.exchange.formats.names import Folders, file_part
from app.exchange.formats.rows import REPORT_NAME, ExportRow, Rows
from app.exchange.formats.table import TABLE_NAME, table_pieces
from app.exchange.schemas import Format, Listing, PlannedFile
from app.library.listing import FileLabel, label_from_folders, no_label

UNLABELLED_FOLDER: Final = "_unlabelled"
NO_SPLIT: Final = "unsplit"


class FolderWriter:
    """A folder for each class, in it one for each sub-class; what has no class lies in a folder of its own."""

    name = "folders"
    title = "Class folders"

    def __init__(self) -> None:
        self._folders = Folders(UNLABELLED_FOLDER, TABLE_NAME, REPORT_NAME)

    def place(self, row: ExportRow) -> str:
        """Class, sub-class, file."""
        file = file_part(row.file, row.format)
        if not row.class_name:
            return f"{UNLABELLED_FOLDER}/{file}"
        folder = self._folders.part("", row.class_name)
        return "/".join([folder, *([self._folders.part(folder, row.sub_class)] if row.sub_class else []), file])

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The table that maps the folders back."""
        yield TABLE_NAME, table_pieces(rows)


class SplitFolderWriter(FolderWriter):
    """A folder for each split, in it class folders: what data loaders read without being told more."""

    name = "split_folders"
    title = "Class folders by split"

    def place(self, row: ExportRow) -> str:
        """Split, class, sub-class, file."""
        return f"{row.split or NO_SPLIT}/{super().place(row)}"


@dataclass(frozen=True, slots=True)
class ByName:
    """A plan that knows a file by its name alone."""

    label_of: Callable[[str], FileLabel]
    describing: frozenset[str] = frozenset()
    problems: Sequence[str] = ()

    def planned(self, name: str) -> PlannedFile:
        """The label that the name tells."""
        return PlannedFile(name, self.label_of(name))

    def named(self) -> Iterator[PlannedFile]:
        """Nothing is described."""
        return iter(())


def _has_folders(listing: Listing) -> bool:
    return any("/" in name for name in listing.names)


FOLDERS = Format("folders", "Class folders", _has_folders, lambda _: ByName(label_from_folders))
UNLABELLED = Format("unlabelled", "Without labels", lambda _: True, lambda _: ByName(no_label))
