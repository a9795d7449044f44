"""Every format: those that can be imported, in the order in which they are tried, and those that can be written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from app.core.errors import InvalidInput
from app.exchange.formats.coco import COCO, CocoWriter
from app.exchange.formats.fiftyone import FIFTYONE, FiftyOneWriter
from app.exchange.formats.imagefolder import IMAGEFOLDER, ImageFolderWriter
from app.exchange.formats.label_studio import LABEL_STUDIO, LabelStudioWriter
from app.exchange.formats.parquet import ParquetWriter
from app.exchange.formats.plain import FOLDERS, UNLABELLED, FolderWriter, SplitFolderWriter
from app.exchange.formats.rows import ExportRow, Rows
from app.exchange.formats.speciesnet import SPECIESNET, SPECIESNET_LABELS, SpeciesNetWriter
from app.exchange.formats.table import CSV, TableWriter
from app.exchange.formats.tfrecord import TfRecordWriter
from app.exchange.schemas import Format, Listing

FORMATS: Final[tuple[Format, ...]] = (
    *(IMAGEFOLDER, LABEL_STUDIO, COCO, SPECIESNET, SPECIESNET_LABELS, FIFTYONE, CSV),
    *(FOLDERS, UNLABELLED),
)
"""The most particular first."""


class Writer(Protocol):
    """Writes one export; made anew for each."""

    name: str
    title: str

    def place(self, row: ExportRow) -> str:
        """Where the image lies in the archive; two of one name are told apart later. Called once an image, in order."""

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Name and content, in pieces, of each file that describes the images."""


WRITERS: Final[dict[str, type[Writer]]] = {
    writer.name: writer
    for writer in (
        *(TableWriter, FolderWriter, ImageFolderWriter, FiftyOneWriter, LabelStudioWriter, CocoWriter),
        *(SpeciesNetWriter, SplitFolderWriter, ParquetWriter, TfRecordWriter),
    )
}


def make_writer(name: str) -> Writer:
    """A writer by its format's name. Raises InvalidInput for one that does not exist."""
    if name not in WRITERS:
        raise InvalidInput(f"an export's format is one of {', '.join(WRITERS)}; received {name[:40]!r}")
    return WRITERS[name]()


def find_format(name: str) -> Format:
    """A format by its name. Raises InvalidInput for one that does not exist."""
    for one in FORMATS:
        if one.name == name:
            return one
    raise InvalidInput(f"a format is one of {', '.join(one.name for one in FORMATS)}; received {name[:40]!r}")


def recognise(listing: Listing) -> Format:
    """The first format that takes the listing for its own; the last one takes all."""
    return next(one for one in FORMATS if one.recognises(listing))
