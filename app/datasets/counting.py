"""What any cutoffs would include, counted from the order of taking: a comparison for each usable image, no query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.datasets.choosing import Order, Standing, quotas
from app.datasets.schemas import (
    ORIGINS,
    SPLITS,
    TEST,
    TRAIN,
    ClassPreview,
    Draw,
    Flags,
    ImageColumns,
    Ints,
    Preview,
    SubClassPreview,
    ViewUsed,
)


@dataclass(frozen=True)
class Census:
    """The usable images of a library, ready to be counted under any cutoffs."""

    now: Standing
    group: Ints
    """As in Order, by usable image."""
    turn: Ints
    origin: Ints
    stratum: Ints
    """Row of `strata`, by usable image."""
    strata: Ints
    """(strata, 2): class and sub-class, 0 for none."""
    left_out: Mapping[str, int]
    """Labelled images that are not usable, by reason."""
    leaked_now: tuple[int, ...]
    """Images that the next snapshot finds to have leaked."""
    undrawn: int
    """Images that the next snapshot draws a split for."""


def take_census(columns: ImageColumns, draw: Draw, now: Standing, order: Order, within: Flags | None) -> Census:
    """Everything that does not depend on cutoffs, counted once."""
    width = int(columns.sub_class_id.max(initial=0)) + 1
    rows = order.rows
    found, stratum = np.unique(columns.class_id[rows] * width + columns.sub_class_id[rows], return_inverse=True)
    return Census(
        now=now,
        group=order.group.astype(np.int32),
        turn=order.turn.astype(np.int32),
        origin=columns.origin[rows].astype(np.int8),
        stratum=stratum.astype(np.int32),
        strata=np.stack([found // width, found % width], axis=1),
        left_out=_left_out(columns, draw, now, within),
        leaked_now=tuple(columns.id[draw.leaked].tolist()),
        undrawn=int(draw.drawn.sum()),
    )


def count(
    census: Census,
    *,
    lower: int,
    upper: int,
    names: Mapping[int, str],
    sub_class_names: Mapping[int, str],
    trained_as: Mapping[int, int],
    include_small: bool,
    view: ViewUsed | None,
) -> Preview:
    """What a snapshot with these cutoffs would hold. `names` are those of the census's classes, by ascending id."""
    taken = quotas(census.now.by_split, lower=lower, upper=upper)
    is_taken = census.turn < taken.reshape(-1)[census.group]
    group = census.group[is_taken]
    of_train = group % len(SPLITS) == TRAIN
    train_origins = np.bincount(
        group[of_train] // len(SPLITS) * len(ORIGINS) + census.origin[is_taken][of_train],
        minlength=len(names) * len(ORIGINS),
    ).reshape(-1, len(ORIGINS))
    return Preview(
        lower=lower,
        upper=upper,
        include_small=include_small,
        classes=_classes(names, census.now, taken, train_origins, lower),
        sub_classes=_sub_classes(census, is_taken, sub_class_names),
        left_out=dict(census.left_out),
        trained_as=dict(trained_as),
        view=view,
    )


def _classes(
    names: Mapping[int, str], now: Standing, taken: Ints, train_origins: Ints, lower: int
) -> tuple[ClassPreview, ...]:
    is_in = taken.sum(axis=1) > 0
    measured = now.is_measurable & (~is_in | (taken[:, TEST] > 0))
    return tuple(
        ClassPreview(
            class_id=class_id,
            name=name,
            usable=sum(available),
            origins=tuple(origins),
            needs=max(0, lower - sum(available)),
            available=tuple(available),
            taken=tuple(each),
            train_origins=tuple(of_train),
            measured=is_measured,
        )
        for (class_id, name), origins, available, each, of_train, is_measured in zip(
            names.items(),
            now.by_origin.tolist(),
            now.by_split.tolist(),
            taken.tolist(),
            train_origins.tolist(),
            measured.tolist(),
            strict=True,
        )
    )


def _sub_classes(census: Census, is_taken: Flags, names: Mapping[int, str]) -> tuple[SubClassPreview, ...]:
    height, width = len(census.strata), len(SPLITS)
    cell = census.stratum * width + census.group % width
    usable_of = np.bincount(census.stratum, minlength=height)
    taken = np.bincount(cell[is_taken], minlength=height * width).reshape(height, width)
    return tuple(
        SubClassPreview(class_id, sub_class_id, names.get(sub_class_id, "–"), usable, (train, validation, test))
        for (class_id, sub_class_id), usable, (train, validation, test) in zip(
            census.strata.tolist(), usable_of.tolist(), taken.tolist(), strict=True
        )
        if sub_class_id
    )


def _left_out(columns: ImageColumns, draw: Draw, now: Standing, within: Flags | None) -> dict[str, int]:
    """Labelled images that are not usable, each under the first reason that holds."""
    left = columns.labelled & ~now.usable
    outside = {} if within is None else {"outside the view": ~within}
    reasons = outside | {
        "in a benchmark set, or linked with one": columns.benchmark | draw.aside,
        "below the good image standard": ~columns.good,
        "duplicates of a better image": ~columns.representative,
        "small subjects": columns.small,
        "retired": columns.retired,
        "leaked between splits": columns.leaked | draw.leaked,
        "staged or synthetic in a measured group": columns.origin > 0,
        "of a class no longer in use": np.ones(len(columns), dtype=np.bool_),
    }
    counts: dict[str, int] = {}
    for reason, holds in reasons.items():
        if found := int(np.sum(left & holds)):
            counts[reason] = found
        left &= ~holds
    return counts
