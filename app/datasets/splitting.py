"""Which side an image is on: by linked groups, stratified, drawn once and kept for ever.

Images linked by duplicate or capture groups form a component, and a component has one side. Drawing follows
iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011): the largest components first, each to the side that
its classes and sub-classes lack most.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.datasets.schemas import FEWEST_GROUPS, SHARES, TRAIN, UNDRAWN, Draw, Flags, ImageColumns, Ints

_SUB_CLASS_FIRST: Final = 1000.0


def scrambled(ids: Ints, seed: int) -> Ints:
    """A number for each id that looks random and depends on the id and the seed alone (SplitMix64)."""
    mixed = ids.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def components(duplicate_group: Ints, capture_group: Ints) -> Ints:
    """A number for each image, 0..n-1: equal where a chain of groups links two images. Group 0 means none."""
    duplicate_ids, duplicate = np.unique(duplicate_group, return_inverse=True)
    capture_ids, capture = np.unique(capture_group, return_inverse=True)
    offset = len(duplicate_ids)
    has_duplicate, has_capture = duplicate_group > 0, capture_group > 0
    both = has_duplicate & has_capture
    label = _linked(duplicate[both], capture[both] + offset, offset + len(capture_ids))
    alone = len(label) + np.arange(len(duplicate_group))
    found = np.where(has_duplicate, label[duplicate], np.where(has_capture, label[capture + offset], alone))
    dense: Ints = np.unique(found, return_inverse=True)[1].astype(np.int64)
    return dense


def _linked(left: Ints, right: Ints, count: int) -> Ints:
    """The lowest node of each node's connected component, by hooking roots and jumping pointers."""
    label = np.arange(count)
    while True:
        low = np.minimum(label[left], label[right])
        hooked = label.copy()
        np.minimum.at(hooked, label[left], low)
        np.minimum.at(hooked, label[right], low)
        hooked = hooked[hooked]
        if np.array_equal(hooked, label):
            return label
        label = hooked


def is_usable(columns: ImageColumns, *, include_small: bool = True) -> Flags:
    """Labelled, good, representative, in no benchmark set, neither retired nor leaked."""
    usable: Flags = columns.labelled & columns.good & columns.representative & ~columns.benchmark
    usable &= ~columns.retired & ~columns.leaked
    return usable if include_small else usable & ~columns.small


def draw(columns: ImageColumns, *, seed: int) -> Draw:
    """Gives a side to every labelled image that has none yet; no image ever changes side."""
    component = components(columns.duplicate_group, columns.capture_group)
    count = int(component.max()) + 1 if len(component) else 0
    aside = _any_of(component, columns.benchmark, count)
    side = _side_so_far(component, columns.split, count)
    real = columns.origin == 0
    usable = is_usable(columns)
    open_ones = (side == UNDRAWN) & ~aside & _any_of(component, usable, count)
    posed = _any_of(component, columns.labelled & ~real, count)
    fixed = np.where(open_ones & posed, TRAIN, side)
    drawn_side = _fill(
        columns, component, np.flatnonzero(usable & real & ~aside[component]), fixed, open_ones & ~posed, seed
    )

    may_get = columns.labelled & (columns.split == UNDRAWN) & ~aside[component]
    proposed = drawn_side[component]
    gets = may_get & (proposed != UNDRAWN) & (real | (proposed == TRAIN))
    on_other_side = (columns.split != UNDRAWN) & (columns.split != side[component])
    return Draw(
        component=component,
        split=np.where(gets, proposed, columns.split),
        drawn=gets,
        leaked=on_other_side & ~columns.leaked,
        aside=aside[component],
    )


def _any_of(component: Ints, flags: Flags, count: int) -> Flags:
    found = np.zeros(count, dtype=np.bool_)
    found[component[flags]] = True
    return found


def _side_so_far(component: Ints, split: Ints, count: int) -> Ints:
    """A component's side: train where any image trains, else validation, else test."""
    lowest = np.full(count, len(SHARES), dtype=np.int64)
    known = split != UNDRAWN
    np.minimum.at(lowest, component[known], split[known])
    return np.where(lowest == len(SHARES), UNDRAWN, lowest)


@dataclass(frozen=True)
class _Contents:
    """What is in the components that count: one row for each component and stratum (class and sub-class)."""

    component: Ints
    stratum: Ints
    images: Ints
    class_of: Ints
    """The class, numbered from 0, of each stratum."""


def _contents(columns: ImageColumns, component: Ints, rows: Ints) -> _Contents:
    strata, stratum = np.unique(
        columns.class_id[rows] * (columns.sub_class_id.max(initial=0) + 1) + columns.sub_class_id[rows],
        return_inverse=True,
    )
    class_ids = strata // (columns.sub_class_id.max(initial=0) + 1)
    width = max(len(strata), 1)
    found, images = np.unique(component[rows] * width + stratum, return_counts=True)
    class_of = np.unique(class_ids, return_inverse=True)[1]
    return _Contents(found // width, found % width, images, class_of)


class _Tallies:
    """Images by side of every stratum and class against the shares asked for, and components by side."""

    def __init__(self, contents: _Contents, fixed: Ints) -> None:
        classes = int(contents.class_of.max(initial=-1)) + 1
        strata = len(contents.class_of)
        class_of_row = contents.class_of[contents.stratum]
        known = fixed[contents.component] != UNDRAWN
        side = fixed[contents.component][known]
        self.class_of = contents.class_of.tolist()
        self.class_total = np.bincount(class_of_row, contents.images, classes).tolist()
        self.stratum_total = np.bincount(contents.stratum, contents.images, strata).tolist()
        self.class_have = _by_side(class_of_row[known], side, contents.images[known], classes)
        self.stratum_have = _by_side(contents.stratum[known], side, contents.images[known], strata)
        pairs = np.unique(contents.component * max(classes, 1) + class_of_row)
        number, its_class = pairs // max(classes, 1), pairs % max(classes, 1)
        self.groups = np.bincount(its_class, minlength=classes).tolist()
        known = fixed[number] != UNDRAWN
        ones = np.ones(int(known.sum()), dtype=np.int64)
        self.groups_have = _by_side(its_class[known], fixed[number][known], ones, classes)

    def score(self, content: _Content, side: int) -> float:
        """How much the strata and classes of a component lack on a side."""
        share = SHARES[side]
        total = 0.0
        for stratum, images in content:
            its_class = self.class_of[stratum]
            whole = int(share * self.stratum_total[stratum]) - self.stratum_have[stratum][side]
            lacks = share * self.class_total[its_class] - self.class_have[its_class][side]
            total += images * (_SUB_CLASS_FIRST * max(0, whole) + lacks)
        return total

    def put(self, content: _Content, side: int, sign: int = 1) -> None:
        """Count a component on a side, or with `sign` -1 no longer."""
        for stratum, images in content:
            self.stratum_have[stratum][side] += sign * images
            self.class_have[self.class_of[stratum]][side] += sign * images
        for its_class in self.classes_of(content):
            self.groups_have[its_class][side] += sign

    def classes_of(self, content: _Content) -> set[int]:
        """The classes in a component."""
        return {self.class_of[stratum] for stratum, _ in content}

    def is_measurable(self, content: _Content) -> bool:
        """Whether any class in it has enough groups to be measured."""
        return any(self.groups[each] >= FEWEST_GROUPS for each in self.classes_of(content))

    def can_spare(self, content: _Content, side: int) -> bool:
        """Whether every class in it has another component on that side."""
        return all(self.groups_have[each][side] > 1 for each in self.classes_of(content))


_Content = list[tuple[int, int]]
"""Stratum and images of each part of a component."""


def _by_side(group: Ints, side: Ints, images: Ints, groups: int) -> list[list[int]]:
    counts = np.bincount(group * len(SHARES) + side, images, groups * len(SHARES))
    by_side: list[list[int]] = counts.astype(np.int64).reshape(groups, len(SHARES)).tolist()
    return by_side


def _fill(columns: ImageColumns, component: Ints, rows: Ints, fixed: Ints, open_ones: Flags, seed: int) -> Ints:
    """The side of every component: `fixed` where there is one, else drawn for the open ones that hold `rows`."""
    contents = _contents(columns, component, rows)
    tallies = _Tallies(contents, fixed)
    open_contents = _of_open(contents, open_ones)
    side = fixed.copy()
    order = _order(columns, component, open_contents, len(open_ones), seed)
    for number in order:
        content = open_contents[number]
        drawn = TRAIN
        if tallies.is_measurable(content):
            scores = [tallies.score(content, each) for each in range(len(SHARES))]
            drawn = scores.index(max(scores))
        tallies.put(content, drawn)
        side[number] = drawn
    _leave_no_side_empty(side, open_contents, order, tallies)
    return side


def _of_open(contents: _Contents, open_ones: Flags) -> dict[int, _Content]:
    chosen = open_ones[contents.component]
    found: defaultdict[int, _Content] = defaultdict(list)
    for number, stratum, images in zip(
        contents.component[chosen].tolist(),
        contents.stratum[chosen].tolist(),
        contents.images[chosen].tolist(),
        strict=True,
    ):
        found[number].append((stratum, images))
    return dict(found)


def _order(columns: ImageColumns, component: Ints, contents: dict[int, _Content], count: int, seed: int) -> list[int]:
    """The open components, the largest first, then as the seed has it."""
    numbers = np.fromiter(contents, dtype=np.int64, count=len(contents))
    sizes = np.fromiter(
        (sum(images for _, images in each) for each in contents.values()), dtype=np.int64, count=len(contents)
    )
    first_id = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first_id, component, columns.id)
    order: list[int] = numbers[np.lexsort((scrambled(first_id[numbers], seed), -sizes))].tolist()
    return order


def _leave_no_side_empty(side: Ints, contents: dict[int, _Content], order: list[int], tallies: _Tallies) -> None:
    """A class of enough groups gets one on every side, where one drawn just now can still be moved: the smallest.

    Among equals the one that `order` drew last, so that the order of the rows has no say.
    """
    lacking = {
        its_class
        for its_class, have in enumerate(tallies.groups_have)
        if tallies.groups[its_class] >= FEWEST_GROUPS and not all(have)
    }
    if not lacking:
        return
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number in reversed(order):
        for its_class in lacking & tallies.classes_of(contents[number]):
            members[its_class].append(number)
    for its_class in sorted(lacking):
        for wanted in range(len(SHARES)):
            if tallies.groups_have[its_class][wanted]:
                continue
            movable = [each for each in members[its_class] if tallies.can_spare(contents[each], int(side[each]))]
            if movable:
                number = min(movable, key=lambda each: (sum(n for _, n in contents[each]), side[each]))
                tallies.put(contents[number], int(side[number]), sign=-1)
                tallies.put(contents[number], wanted)
                side[number] = wanted
