"""What a run's curves say in figures: lines to draw, the epoch where it levelled off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

WITHIN_POINTS: Final = 0.02
"""A run has reached its plateau where it is within this of its best accuracy."""
_MEAN_OF: Final = 3
Point = TypeVar("Point")


class EpochLike(Protocol):
    """The figures of an epoch that curves are drawn from."""

    @property
    def number(self) -> int:
        """Counted from 1."""
        ...

    @property
    def accuracy(self) -> float:
        """Share of training images answered rightly."""
        ...

    @property
    def validation_accuracy(self) -> float | None:
        """The same of validation images; None where there are none."""
        ...

    @property
    def seconds(self) -> float:
        """How long the epoch took."""
        ...


def plateau_epoch(epochs: Sequence[EpochLike]) -> int | None:
    """The first epoch whose mean accuracy over it and the two before is within two points of the run's best accuracy.

    Accuracy on validation where it was measured, else on training. None without an epoch; a run too short for such a
    mean takes the mean of what there is.
    """
    if not epochs:
        return None
    measured = [each.validation_accuracy for each in epochs]
    values = [each.accuracy for each in epochs] if None in measured else [value or 0.0 for value in measured]
    goal = max(values) - WITHIN_POINTS
    for place in range(len(values)):
        window = values[max(0, place - _MEAN_OF + 1) : place + 1]
        if sum(window) / len(window) >= goal and (len(window) == _MEAN_OF or len(values) < _MEAN_OF):
            return epochs[place].number
    return epochs[values.index(max(values))].number


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most about `most` of the points, evenly, the last among them."""
    every = max(1, math.ceil(len(points) / most))
    return [point for place, point in enumerate(points) if place % every == 0 or place == len(points) - 1]


def seconds_so_far(epochs: Sequence[EpochLike]) -> list[float]:
    """Seconds of training at the end of each epoch."""
    total, ends = 0.0, []
    for each in epochs:
        total += each.seconds
        ends.append(round(total, 2))
    return ends
