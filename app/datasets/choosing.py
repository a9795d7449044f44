"""Which usable images a snapshot takes: cutoffs by class, then a fair and repeatable choice, each split apart."""

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
    groups = np.unique(np.stack([place, draw.component[usable]])[:, real[usable]], axis=1)
    by_split = _counted(place, draw.split[usable], len(class_ids), len(SPLITS))
    group_counts = np.bincount(groups[0], minlength=len(class_ids))
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


def choose(
    columns: ImageColumns, draw: Draw, now: Standing, taken: Ints, *, previous_ids: Ints, seed: int
) -> tuple[Ints, list[str]]:
    """The rows to take, by ascending id, and why each was taken.

    Inside each class and split: images of the snapshot before first, real before staged before synthetic, reviewed
    first, then in turns over sub-classes and, inside these, over capture groups, as the seed has it.
    """
    rows = np.flatnonzero(now.usable)
    place = np.searchsorted(now.class_ids, columns.class_id[rows])
    group = place * len(SPLITS) + draw.split[rows]
    earlier = np.isin(columns.id[rows], previous_ids)
    tier = (~earlier) * 6 + columns.origin[rows] * 2 + ~columns.reviewed[rows]
    chance = scrambled(columns.id[rows], seed)
    capture = np.where(columns.capture_group[rows] > 0, columns.capture_group[rows], -columns.id[rows])
    sub_class = columns.sub_class_id[rows]
    turn_in_capture = _turns((group, sub_class, capture), (tier, chance))
    turn_in_sub_class = _turns((group, sub_class), (tier, turn_in_capture, chance))
    turn = _turns((group,), (tier, turn_in_sub_class, chance))
    chosen = turn < taken.reshape(-1)[group]
    whole = now.by_split.sum(axis=1) == taken.sum(axis=1)
    labels = np.array([EVERY_IMAGE, EARLIER_CHOICE, REVIEWED, *ORIGINS])
    code = np.where(columns.reviewed[rows], 2, 3 + columns.origin[rows])
    code = np.where(whole[place], 0, np.where(earlier, 1, code))
    why: list[str] = labels[code[chosen]].tolist()
    return rows[chosen], why


def _turns(within: tuple[Ints, ...], by: tuple[Ints, ...]) -> Ints:
    """The place of each row, from 0, among the rows that agree on `within`, in the order of `by`."""
    order = np.lexsort((*reversed(by), *reversed(within)))
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = np.any([key[order][1:] != key[order][:-1] for key in within], axis=0)
    first = np.flatnonzero(starts)
    turn = np.empty(len(order), dtype=np.int64)
    turn[order] = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return turn
