"""What a format says of the files of an import: the contract of readers, preview and import run.

What an export is asked for stands at the end.

A reader is a module in `formats/`; it gets a listing and gives a plan. The preview asks the plan about every file to
count classes and problems; the import run asks it again, file by file, with the class mapping laid over it. So a plan
answers fast, opens nothing after it was made, and gives equal answers each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from app.library.listing import FileLabel


@dataclass(frozen=True, slots=True)
class PlannedPrediction:
    """An answer of some model that a format brings along: kept beside the label, never taken for one."""

    class_name: str
    confidence: float | None = None
    """0 to 1; None where the format tells none."""
    sub_class_name: str | None = None
    source: str = ""
    """What predicted, in the format's words: a model's name or version."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """What a format says of one file; empty where it is silent.

    `label` holds class, sub-class, capture group and metadata. `state`, `quality`, `origin` and `split` use the
    library's stored words and are None where the format does not tell them. `sha256` names bytes that the library may
    know already, so that a table without pictures can relabel.
    """

    name: str
    label: FileLabel = field(default_factory=FileLabel)
    predictions: tuple[PlannedPrediction, ...] = ()
    state: str | None = None
    quality: str | None = None
    origin: str | None = None
    sha256: str | None = None
    rotation: int | None = None
    """Clockwise degrees beside EXIF: 0, 90, 180 or 270."""
    is_small_subject: bool | None = None
    split: str | None = None
    """The side that a split drew for the image: kept for ever, so an image that has none yet gets it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The names in a source, in its order, and a way to read the small files among them.

    `read(name)` gives the whole content of a file that describes others. It raises InvalidInput where the file is over
    the cap for such files or cannot be read.
    """

    names: Sequence[str]
    read: Callable[[str], bytes]


class FormatPlan(Protocol):
    """What one format says of a source."""

    @property
    def describing(self) -> frozenset[str]:
        """Names in the source that hold the description and are no pictures (a CSV file, a JSON file)."""

    @property
    def problems(self) -> Sequence[str]:
        """What is odd but no reason to refuse, in plain words, at most a few dozen."""

    def planned(self, name: str) -> PlannedFile:
        """What is said of the file of this name (as the source lists it). Never raises."""

    def named(self) -> Iterator[PlannedFile]:
        """Every file that the description names, in the source or not; none for formats without a description."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way to tell classes that Winnow reads.

    `recognises(listing)` is cheap and never raises: names first, and the head of a describing file only where needed.
    `read(listing)` raises InvalidInput with the rule that the description breaks and what was received.
    """

    name: str
    """As in the address, the command line and the stored request: csv, coco, …"""
    title: str
    recognises: Callable[[Listing], bool]
    read: Callable[[Listing], FormatPlan]


class Pictures(StrEnum):
    """Which pictures an export holds."""

    ORIGINALS = "originals"
    RENDITIONS = "renditions"
    NONE = "none"


class ExportRequest(BaseModel):
    """What to export: the images of a filter (the query of a library address), a saved view or a snapshot.

    Those of a snapshot have the class, sub-class, split and turn that it froze.

    `strip_metadata` takes EXIF, places, comments out of originals without encoding them again; what cannot be stripped
    is left out and named. Renditions never have any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = Field("csv", max_length=40)
    query: str = Field("", max_length=4000)
    view_id: int | None = Field(None, ge=1, le=2**62)
    snapshot_id: int | None = Field(None, ge=1, le=2**62)
    pictures: Pictures = Pictures.ORIGINALS
    strip_metadata: bool = False
