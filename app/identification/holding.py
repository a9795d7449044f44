"""What "accept above" takes without being looked at, and what it holds back for the eye. Arrays only.

A confident answer is wrong above all where the model does not know the class, or hardly: such images lie near labelled
ones of a rare class, or the rare class shows among the top five. So an image is taken where its class is plentiful and
nothing speaks for a rare one, and where it is about as like the labelled images of its class as those are to each
other: a class that nobody has named shows by nothing else. How much of the rare is swept up nevertheless is measured by
labelled images of rare classes that the version never learnt from; the bound is Clopper and Pearson's (1934).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import exp, lgamma, log, log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]

SLACK: Final = 0.05
"""By how much nearer an image must be to its own class than to any rare one (cosine, 0..2)."""
NEAREST: Final = 3
RARE_BELOW: Final = 1.5
"""A class with fewer usable images than this many times the lower cutoff is rare."""
LEVEL: Final = 0.95
UNLIKE_SHARE: Final = 0.1
"""As large a share of a class's own labelled images would be held back as unlike it. On `caltech` it costs 4% of what
is taken; `grocery` had no part in the choice."""
_BLOCK: Final = 2048


class Held(IntEnum):
    """Why an image is held back, the first reason that holds; TAKEN for none."""

    TAKEN = 0
    NOT_PLENTIFUL = 1
    NOT_GOOD = 2
    CONTRADICTED = 3
    RARE_IN_TOP = 4
    NEAR_RARE = 5
    DISAGREES = 6
    UNLIKE_ITS_CLASS = 7


@dataclass(frozen=True, slots=True)
class Kinds:
    """Classes by how many usable images they have: plentiful ones are taken, rare ones hold back. None is both."""

    plentiful: frozenset[int]
    rare: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The top five of some images: class ids int64 (N, 5), 0 where there is none, and confidences (N, 5)."""

    classes: Ids
    confidences: Rows

    @classmethod
    def of_scores(cls, scores: Rows, class_ids: Sequence[int]) -> Answers:
        """From confidences float32 (N, C) with columns in the order of `class_ids`."""
        kept = min(5, scores.shape[1])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
        wide = ((0, 0), (0, 5 - kept))
        found = np.pad(np.asarray(class_ids, dtype=np.int64)[order], wide)
        return cls(found, np.pad(np.take_along_axis(scores, order, axis=1), wide))


def held_by_answers(answers: Answers, kinds: Kinds, *, confidence: float, share: float) -> NDArray[np.int8]:
    """A Held for each image (N,), by its answers alone: not plentiful, or a rare class among the top five.

    `share` (0..1) is what a rare class may have among the five. An image below `confidence` is NOT_PLENTIFUL: it is
    never taken.
    """
    held = np.zeros(len(answers.classes), dtype=np.int8)
    is_rare = np.isin(answers.classes, sorted(kinds.rare)) & (answers.confidences > share)
    held[is_rare.any(axis=1)] = Held.RARE_IN_TOP
    is_plentiful = np.isin(answers.classes[:, 0], sorted(kinds.plentiful))
    held[~is_plentiful | (answers.confidences[:, 0] < np.float32(confidence))] = Held.NOT_PLENTIFUL
    return held


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """Labelled images to compare with: unit vectors (R, D), their class ids and what groups them, both (R,).

    Images of one group (duplicates, a burst) say nothing about each other, so a probe is not compared with its own.
    """

    rows: Rows
    class_ids: Ids
    groups: Ids


def held_by_nearness(
    placed: Rows,
    predicted: Ids,
    rare: References,
    known: References,
    *,
    groups: Ids | None = None,
    slack: float = SLACK,
) -> Flags:
    """Which images (unit vectors (N, D)) are not clearly nearer to the class predicted for them than to a rare one.

    Compared are the mean of the NEAREST cosines to labelled images of the predicted class, and the largest one to a
    rare image. `groups` (N,) leaves out references of the image's own group.
    """
    held = np.zeros(len(placed), dtype=np.bool_)
    if not len(rare.rows):
        return held
    for class_id in np.unique(predicted).tolist():
        own = known.class_ids == class_id
        for part in _parts(np.flatnonzero(predicted == class_id)):
            mine = groups[part] if groups is not None else None
            to_rare = _cosines(placed[part], rare.rows, mine, rare.groups).max(axis=1)
            held[part] = to_rare > _nearest(_cosines(placed[part], known.rows[own], mine, known.groups[own])) - slack
    return held


def likeness_floors(known: References) -> dict[int, float]:
    """The least likeness to a class's labelled images (mean of the NEAREST cosines) of an image like the others of it.

    Every class has its own middle, what its images reach beside those of other groups; how far below it is usual is
    learnt from all classes together, since most have too few for a low quantile. Empty where nothing can be measured.
    """
    reached: dict[int, Rows] = {}
    for class_id in np.unique(known.class_ids).tolist():
        rows, groups = known.rows[known.class_ids == class_id], known.groups[known.class_ids == class_id]
        cosines = _cosines(rows, rows, groups, groups)
        has_others = (groups[:, None] != groups[None, :]).sum(axis=1) >= NEAREST
        if has_others.any():
            reached[class_id] = _nearest(cosines[has_others])
    if not reached:
        return {}
    middles = {class_id: float(np.median(each)) for class_id, each in reached.items()}
    below = np.concatenate([each - np.float32(middles[class_id]) for class_id, each in reached.items()])
    slack, usual = float(np.quantile(below, UNLIKE_SHARE)), float(np.median(list(middles.values())))
    return {class_id: middles.get(class_id, usual) + slack for class_id in np.unique(known.class_ids).tolist()}


def held_as_unlike(
    placed: Rows, predicted: Ids, known: References, floors: Mapping[int, float], *, groups: Ids | None = None
) -> Flags:
    """Which images (unit vectors (N, D)) are less like the labelled images of their class than its floor asks for."""
    held = np.zeros(len(placed), dtype=np.bool_)
    for class_id, floor in floors.items():
        own = known.class_ids == class_id
        for part in _parts(np.flatnonzero(predicted == class_id)):
            mine = groups[part] if groups is not None else None
            held[part] = _nearest(_cosines(placed[part], known.rows[own], mine, known.groups[own])) < floor
    return held


def _parts(places: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(places), _BLOCK):
        yield places[start : start + _BLOCK]


def _cosines(placed: Rows, known: Rows, mine: Ids | None, theirs: Ids) -> Rows:
    cosines: Rows = placed @ known.T
    if mine is not None:
        cosines[mine[:, None] == theirs[None, :]] = -1.0
    return cosines


def _nearest(cosines: Rows) -> Rows:
    count = min(NEAREST, cosines.shape[1])
    if not count:
        return np.full(len(cosines), -1.0, dtype=np.float32)
    best: Rows = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
    return best


def upper_bound(hits: int, total: int, *, level: float = LEVEL) -> float:
    """The one-sided upper Clopper–Pearson bound of a share, at `level`; 1 where nothing was measured."""
    low, high = hits / total if total else 1.0, 1.0
    while high - low > 1e-6:  # noqa: PLR2004 - finer than any page shows
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(hits, total, middle) > 1 - level else (low, middle)
    return high


def _at_most(hits: int, total: int, share: float) -> float:
    """The chance of at most so many hits."""
    ways = [lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1) for count in range(hits + 1)]
    return sum(exp(each + count * log(share) + (total - count) * log1p(-share)) for count, each in enumerate(ways))
