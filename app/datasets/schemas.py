"""Plain values of data sets: columns of the library in memory, what a draw decided, what a snapshot would hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.database import Json

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SPLITS: Final = ("train", "validation", "test")
SHARES: Final = (0.70, 0.15, 0.15)
"""The shares asked for, in the order of SPLITS."""
ORIGINS: Final = ("real", "staged", "synthetic")
TRAIN, VALIDATION, TEST, UNDRAWN = 0, 1, 2, -1
FEWEST_GROUPS: Final = 3
"""A class whose real images form fewer groups is trained, but not measured."""


@dataclass(frozen=True)
class ImageColumns:
    """Images of a project by column, ordered by id; 0 stands for "none" in every column of ids."""

    id: Ints
    class_id: Ints
    sub_class_id: Ints
    origin: Ints
    """Place in ORIGINS."""
    split: Ints
    """Place in SPLITS, or UNDRAWN."""
    rotation: Ints
    duplicate_group: Ints
    capture_group: Ints
    labelled: Flags
    good: Flags
    """Nobody has found it below the good image standard."""
    small: Flags
    retired: Flags
    leaked: Flags
    benchmark: Flags
    representative: Flags
    reviewed: Flags

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Draw:
    """What a draw of splits decided, row by row of the columns it was made from."""

    component: Ints
    """Equal for images that a chain of duplicate and capture groups links."""
    split: Ints
    """Place in SPLITS after the draw, or UNDRAWN."""
    drawn: Flags
    """Rows that get their split by this draw."""
    leaked: Flags
    """Rows found on another side than their group: retired from measuring by this draw."""
    aside: Flags
    """Rows linked with a benchmark image: they never train."""


@dataclass(frozen=True, slots=True)
class DrawnSplits:
    """How many images got a split, and how many were found to leak."""

    train: int
    validation: int
    test: int
    leaked: int


@dataclass(frozen=True, slots=True)
class ClassPreview:
    """A class under given cutoffs: what it has, what it lacks, what a snapshot would take."""

    class_id: int
    name: str
    usable: int
    origins: tuple[int, int, int]
    """Usable images in the order of ORIGINS."""
    needs: int
    """Images missing to the lower cutoff; 0 when the class is in."""
    available: tuple[int, int, int]
    """Usable images in the order of SPLITS."""
    taken: tuple[int, int, int]
    """Images the snapshot takes, in the order of SPLITS; zeros when the class is left out."""
    train_origins: tuple[int, int, int]
    """Training images the snapshot takes, in the order of ORIGINS; all that is measured is real."""
    measured: bool

    @property
    def is_included(self) -> bool:
        """Whether the class reaches the lower cutoff."""
        return self.needs == 0

    @property
    def total(self) -> int:
        """Images the snapshot takes of it."""
        return sum(self.taken)

    @property
    def is_sampled(self) -> bool:
        """Whether the upper cutoff leaves some of it out."""
        return 0 < self.total < self.usable

    @property
    def rests_on_made(self) -> bool:
        """Whether staged or synthetic images are among those it takes."""
        return self.train_origins[1] + self.train_origins[2] > 0


@dataclass(frozen=True, slots=True)
class SubClassPreview:
    """A sub-class with what the snapshot takes of it by split."""

    class_id: int
    sub_class_id: int
    name: str
    usable: int
    taken: tuple[int, int, int]

    @property
    def missing_from(self) -> tuple[str, ...]:
        """The splits that the snapshot takes none of it for, though it takes some."""
        if not sum(self.taken):
            return SPLITS
        return tuple(split for split, count in zip(SPLITS, self.taken, strict=True) if not count)


@dataclass(frozen=True, slots=True)
class ViewUsed:
    """The saved view that a snapshot takes its images from, as it was then."""

    name: str
    query: str


@dataclass(frozen=True)
class Preview:
    """What a snapshot with these cutoffs would hold now."""

    lower: int
    upper: int
    include_small: bool
    classes: tuple[ClassPreview, ...]
    sub_classes: tuple[SubClassPreview, ...]
    left_out: dict[str, int]
    """Labelled images that are not usable, by reason."""
    trained_as: dict[int, int] = field(default_factory=dict)
    """Classes merged for a while, each with the class that its images count as."""
    view: ViewUsed | None = None
    """None: the whole library."""

    @cached_property
    def _by_class(self) -> dict[int, list[SubClassPreview]]:
        found: dict[int, list[SubClassPreview]] = {}
        for each in self.sub_classes:
            found.setdefault(each.class_id, []).append(each)
        return found

    def sub_classes_of(self, class_id: int) -> list[SubClassPreview]:
        """The sub-classes of one class."""
        return self._by_class.get(class_id, [])

    @property
    def short(self) -> list[ClassPreview]:
        """Classes below the lower cutoff, the closest first."""
        return sorted((each for each in self.classes if not each.is_included), key=lambda each: each.needs)

    @property
    def included(self) -> tuple[ClassPreview, ...]:
        """The classes that reach the lower cutoff."""
        return tuple(each for each in self.classes if each.is_included)

    @property
    def taken(self) -> tuple[int, int, int]:
        """Images by split over all classes."""
        train, validation, test = (sum(each.taken[place] for each in self.classes) for place in range(3))
        return train, validation, test

    @property
    def train_origins(self) -> tuple[int, int, int]:
        """Training images by origin over all classes."""
        real, staged, synthetic = (sum(each.train_origins[place] for each in self.classes) for place in range(3))
        return real, staged, synthetic

    @property
    def usable(self) -> int:
        """Usable images over all classes, whatever the cutoffs."""
        return sum(each.usable for each in self.classes)

    @property
    def total(self) -> int:
        """Images over all classes and splits."""
        return sum(self.taken)


@dataclass(frozen=True, slots=True)
class CutoffChoice:
    """What a person chooses before a snapshot is frozen."""

    lower: int
    upper: int
    include_small: bool = False
    seed: int = 0
    view_id: int | None = None


@dataclass(frozen=True, slots=True)
class Recount:
    """What a choice would include now, and what freezing it would settle besides."""

    preview: Preview
    seed: int
    undrawn: int
    """Images that would get their split, for ever."""
    leaked_now: tuple[int, ...]
    """Images that would be retired from measuring."""


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """A snapshot as lists show it."""

    id: int
    fingerprint: str
    lower: int
    upper: int
    include_small: bool
    seed: int
    images: int
    classes: int
    created_at: datetime
    created_by: str | None
    versions: int = 0
    """Model versions that were made from it."""


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A snapshot with what it holds."""

    facts: SnapshotFacts
    content: Preview
    merged_names: dict[int, str] = field(default_factory=dict)
    """Today's names of the classes that were merged for a while."""


@dataclass(frozen=True)
class SnapshotPlan:
    """A snapshot worked out but not written: it can be made in a read session and frozen in a short write."""

    columns: ImageColumns
    draw: Draw
    preview: Preview
    seed: int
    rows: Ints
    """Rows of the columns that are taken, by ascending image id."""
    why: list[str]
    fingerprint: str
    summary: Json


@dataclass(frozen=True, slots=True)
class ManifestClass:
    """An included class; `position` is its place in the head."""

    position: int
    class_id: int
    name: str
    usable: int
    measured: bool


@dataclass(frozen=True)
class Manifest:
    """A snapshot's images by column, ordered by image id."""

    snapshot_id: int
    fingerprint: str
    include_small: bool
    classes: tuple[ManifestClass, ...]
    image_ids: Ints
    class_ids: Ints
    positions: Ints
    """Place of each image's class in the head, 0..classes-1."""
    splits: Ints
    """Place in SPLITS."""
    rotations: Ints

    def ids_of(self, split: str) -> list[int]:
        """The image ids of one split."""
        chosen: list[int] = self.image_ids[self.splits == SPLITS.index(split)].tolist()
        return chosen
