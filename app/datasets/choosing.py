"""Which usable images a snapshot takes: cutoffs by class, then a fair and repeatable choice, each split apart.

The order in which images are taken does not depend on the cutoffs, so it is worked out once and any cutoffs are a
comparison with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.datasets.schemas import (
    FEWEST_GROUPS,
    ORIGINS,
    SHARES,
    SPLITS,
    TEST,
    TRAIN,
    UNDRAWN,
    Draw,
    Flags,
    ImageColumns,
    Ints,
)
from app.datasets.splitting import is_usable, scrambled

EVERY_IMAGE: Final = "every usable image of the class"
EARLIER_CHOICE: Final = "in the snapshot before"
REVIEWED: Final = "reviewed"
_TIERS: Final = tuple(
    (REVIEWED if origin == ORIGINS[0] else f"{origin}, {REVIEWED}") if is_reviewed else origin
    for origin in ORIGINS
    for is_reviewed in (True, False)
)
_FIRST_OF: Final = ("", ", first of its sub-class", ", first of its capture group", ", first of its cluster")
WHYS: Final = (EVERY_IMAGE, EARLIER_CHOICE, *(tier + first for tier in _TIERS for first in _FIRST_OF))
"""Why an image was taken, as it is recorded."""


def as_trained(columns: ImageColumns, merged: Mapping[int, int]) -> ImageColumns:
    """The columns with images of classes merged for a while under the class that they are trained as."""
    class_id = columns.class_id.copy()
    for own, other in merged.items():
        class_id[columns.class_id == own] = other
    return replace(columns, class_id=class_id)


@dataclass(frozen=True)
class Standing:
    """Usable images by class, before any cutoff. Arrays are in the order of `class_ids`."""

    class_ids: Ints
    usable: Flags
    """By row of the columns."""
    by_origin: Ints
    """(classes, 3) in the order of ORIGINS."""
    by_split: Ints
    """(classes, 3) in the order of SPLITS."""
    is_measurable: Flags
    """Real images in at least three groups, and some of them in test."""


def standing(
    columns: ImageColumns, draw: Draw, class_ids: Ints, *, include_small: bool, within: Flags | None = None
) -> Standing:
    """Counts of usable images of the classes `class_ids` (ascending), of the rows `within` alone where given."""
    real = columns.origin == 0
    usable = is_usable(columns, include_small=include_small) & ~draw.aside & ~draw.leaked
    usable &= (draw.split != UNDRAWN) & (real | (draw.split == TRAIN))
    usable &= np.isin(columns.class_id, class_ids)
    if within is not None:
        usable &= within
    place = np.searchsorted(class_ids, columns.class_id[usable])
    width = int(draw.component.max(initial=0)) + 1
    groups = np.unique((place * width + draw.component[usable])[real[usable]]) // width
    by_split = _counted(place, draw.split[usable], len(class_ids), len(SPLITS))
    group_counts = np.bincount(groups, minlength=len(class_ids))
    return Standing(
        class_ids=class_ids,
        usable=usable,
        by_origin=_counted(place, columns.origin[usable], len(class_ids), len(ORIGINS)),
        by_split=by_split,
        is_measurable=(group_counts >= FEWEST_GROUPS) & (by_split[:, TEST] > 0),
    )


def _counted(rows: Ints, columns: Ints, height: int, width: int) -> Ints:
    counts = np.bincount(rows * width + columns, minlength=height * width)
    return counts.reshape(height, width).astype(np.int64)


def quotas(by_split: Ints, *, lower: int, upper: int) -> Ints:
    """How many images to take of each class and split, (classes, 3).

    Nothing of a class below the lower cutoff; of one above the upper cutoff, the shares asked for as far as there
    are images, and the rest from train, then validation, then test.
    """
    total = by_split.sum(axis=1)
    wanted = np.round(np.array(SHARES) * upper).astype(np.int64)
    wanted[TRAIN] = upper - wanted[1:].sum()
    taken = np.where((total > upper)[:, None], np.minimum(by_split, wanted), by_split)
    for split in range(len(SPLITS)):
        missing = np.minimum(total, upper) - taken.sum(axis=1)
        taken[:, split] += np.clip(np.minimum(missing, by_split[:, split] - taken[:, split]), 0, None)
    taken[total < lower] = 0
    return taken


@dataclass(frozen=True)
class Order:
    """Usable images in the order in which a snapshot takes them, whatever its cutoffs. Arrays by usable image."""

    rows: Ints
    """Rows of the columns, ascending."""
    group: Ints
    """Place of the class times three, plus the split."""
    turn: Ints
    """Place from 0 within the group: those below a group's quota are taken."""
    why: Ints
    """Place in WHYS, for an image of a class that is sampled down."""

    def chosen(self, taken: Ints, now: Standing) -> tuple[Ints, list[str]]:
        """The rows that the quotas `taken` (classes, 3) take, ascending, and why each was taken."""
        is_taken = self.turn < taken.reshape(-1)[self.group]
        is_whole = now.by_split.sum(axis=1) == taken.sum(axis=1)
        code = np.where(is_whole[self.group // len(SPLITS)], WHYS.index(EVERY_IMAGE), self.why)[is_taken]
        why: list[str] = np.array(WHYS)[code].tolist()
        return self.rows[is_taken], why


def in_order(
    columns: ImageColumns, draw: Draw, now: Standing, *, previous_ids: Ints, clusters: Ints, seed: int
) -> Order:
    """The order of taking inside each class and split.

    Images of the snapshot before first, real before staged before synthetic, reviewed first; then in turns over
    sub-classes, inside these over capture groups and inside these over clusters, as the seed has it. `clusters` is one
    number for each row of the columns; images without a cluster share 0, which counts as a cluster of its own.
    """
    rows = np.flatnonzero(now.usable)
    place = np.searchsorted(now.class_ids, columns.class_id[rows])
    group = place * len(SPLITS) + draw.split[rows]
    is_earlier = np.isin(columns.id[rows], previous_ids)
    tier = columns.origin[rows] * 2 + ~columns.reviewed[rows]
    rank = _ranks(~is_earlier, tier, scrambled(columns.id[rows], seed))
    capture_group, sub_class, cluster = columns.capture_group[rows], columns.sub_class_id[rows], clusters[rows]
    sub_class_here = _numbered(group, sub_class)
    capture_here = _numbered(sub_class_here, np.where(capture_group > 0, capture_group, -columns.id[rows]))
    cluster_here = _numbered(sub_class_here, cluster)
    by_cluster = _turns(_numbered(capture_here, cluster), rank)
    in_capture = _turns(capture_here, _ranks(~is_earlier, tier, by_cluster, rank))
    in_cluster = _turns(cluster_here, _ranks(~is_earlier, tier, in_capture, rank))
    in_sub_class = _turns(sub_class_here, _ranks(~is_earlier, tier, in_capture, in_cluster, rank))
    turn = _turns(group, _ranks(~is_earlier, tier, in_sub_class, rank))
    firsts = (
        (in_sub_class == 0) & (sub_class > 0),
        (in_capture == 0) & (capture_group > 0),
        (in_cluster == 0) & (cluster > 0),
    )
    first_of = np.select(firsts, [1, 2, 3], default=0)
    why = np.where(is_earlier, WHYS.index(EARLIER_CHOICE), 2 + tier * len(_FIRST_OF) + first_of)
    return Order(rows, group, turn, why)


def _numbered(outer: Ints, inner: Ints) -> Ints:
    """A number from 0 for each pair; equal for equal pairs."""
    distinct, place = np.unique(inner, return_inverse=True)
    if len(distinct) == 1:
        return outer
    numbers: Ints = np.unique(outer * len(distinct) + place, return_inverse=True)[1].astype(np.int64)
    return numbers


def _ranks(*keys: Ints | Flags) -> Ints:
    """The place of each row, from 0, in the order of the keys, the first of them deciding first."""
    order = np.lexsort(keys[::-1])
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _turns(within: Ints, rank: Ints) -> Ints:
    """The place of each row, from 0, among the rows that agree on `within`, in the order of `rank`."""
    order = np.argsort(within * len(rank) + rank)
    sorted_within = within[order]
    first = np.flatnonzero(np.append(True, sorted_within[1:] != sorted_within[:-1])) if len(order) else order
    turn = np.empty(len(order), dtype=np.int64)
    turn[order] = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return turn
