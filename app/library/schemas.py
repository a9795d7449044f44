"""Values that cross the border of the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.storage import Place
from app.imaging.errors import Undecodable
from app.imaging.processing import Processed
from app.library.listing import MAX_CLASS_NAME
from app.library.models import Origin

GROUP_RULE: Final = r"^(none|exif|folders:[1-9]|column:[^\x00]{1,200})$"

LabelRow = tuple[int, str, str | None]
"""An image to label: id, class name, sub-class name."""


class SourceKind(StrEnum):
    """Where an import reads from."""

    FOLDER = "folder"
    ZIP = "zip"
    UPLOAD = "upload"
    S3 = "s3"
    URLS = "urls"


class MappedLabel(BaseModel):
    """What an arriving class becomes: a class here, existing or new, or no label.

    A sub-class replaces the arriving one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_name: Annotated[str, StringConstraints(max_length=MAX_CLASS_NAME)] | None
    sub_class_name: Annotated[str, StringConstraints(max_length=MAX_CLASS_NAME)] | None = None


class ImportRequest(BaseModel):
    """What to import, and how it is read.

    `path` is a folder, an archive, `connection/prefix` of object storage, or the id of an upload (also for a list of
    addresses). `format` is the name of a format; empty: the one that is recognised. `labels_path` names a describing
    file on the server that lies outside what is imported. `class_map` says what arriving classes become; one that is
    not in it keeps its name. `groups` tells capture groups where the format names none: `exif` (bursts), `none`,
    `folders:N` (the first N folders) or `column:NAME`. `keep_columns` are the metadata columns to keep; None: all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: SourceKind
    path: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    format: Annotated[str, StringConstraints(max_length=40)] = "folders"
    labels_path: Annotated[str, StringConstraints(max_length=4096)] | None = None
    origin: Origin = Origin.REAL
    class_map: dict[str, MappedLabel] = Field(default_factory=dict)
    keep_sub_classes: bool = True
    groups: Annotated[str, StringConstraints(pattern=GROUP_RULE)] = "exif"
    keep_columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where the copies of an image lie in the packs."""

    thumbnail: Place
    rendition: Place

    def columns(self) -> dict[str, str | int]:
        """The same as columns of the image."""
        return {
            f"{kind}_{name}": getattr(place, name)
            for kind, place in (("thumbnail", self.thumbnail), ("rendition", self.rendition))
            for name in ("pack", "offset", "length")
        }


@dataclass(frozen=True, slots=True)
class IntakeFile:
    """One file that arrived: its name, digest and size, and what decoding gave.

    Bytes that were known when it was looked at need neither `processed` nor `undecodable`. `transaction_id` marks a
    served image.
    """

    name: str
    digest: str
    byte_count: int
    processed: Processed | None = None
    places: Places | None = None
    undecodable: Undecodable | None = None
    class_name: str | None = None
    sub_class_name: str | None = None
    group: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of some files. `image_ids` by digest; `to_label` is for labelling, in the same transaction."""

    image_ids: Mapping[str, int]
    added: int
    known: int
    quarantined: int
    conflicts: int
    to_label: tuple[LabelRow, ...]


@dataclass(frozen=True, slots=True)
class RequestedImport:
    """An import that waits for its run."""

    batch_id: int
    run_id: int
