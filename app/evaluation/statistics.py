"""Tests for shares, in pure arithmetic; the interval of one share is in `core.shares`.

McNemar's exact test: the binomial test on the discordant pairs. The smallest
detectable drop: Connor 1987, for paired proportions, with the correction for continuity that the exact test needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import comb, sqrt
from statistics import NormalDist

from app.core.database import Json
from app.core.shares import wilson

_NORMAL = NormalDist()


def share_json(hits: int, total: int) -> Json | None:
    """A share as it is stored with figures: hits, total, value, low, high; None when nothing was measured."""
    share = wilson(hits, total)
    return {**asdict(share), "value": share.value} if total else None


def mcnemar_worse(broken: int, fixed: int) -> float:
    """p-value of "not worse": the chance of at least this many broken among the discordant pairs by luck alone."""
    discordant = broken + fixed
    if discordant == 0:
        return 1.0
    if discordant > 2000:  # noqa: PLR2004 - exact sums get slow there, and the normal limit is indistinguishable
        return 1 - _NORMAL.cdf((broken - fixed - 1) / sqrt(discordant))
    ways: int = sum(comb(discordant, count) for count in range(broken, discordant + 1))
    return float(ways / 2**discordant)


def smallest_detectable_drop(broken: int, fixed: int, pairs: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The drop in accuracy (0..1) that this many pairs would have shown with `power`, given how often the two disagree.

    Where the two hardly disagree, a drop is itself the disagreement: every image of it is broken, none is fixed.
    """
    if pairs == 0:
        return 1.0
    seen = (broken + fixed) / pairs
    z_alpha, z_power = _NORMAL.inv_cdf(1 - alpha), _NORMAL.inv_cdf(power)

    def is_seen(drop: float) -> bool:
        disagreement = max(seen, drop)
        spread = sqrt(max(disagreement - drop * drop, 0.0) * pairs)
        return drop * pairs - 1 >= z_alpha * sqrt(disagreement * pairs) + z_power * spread

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high


def holm_broken(floored: Sequence[tuple[int, int, float]], *, alpha: float = 0.05) -> list[bool]:
    """Whether each (hits, total, floor) lies below its floor, after Holm's correction over all of them.

    For a single one, exactly when the upper bound of its Wilson interval lies below the floor.
    """
    levels = [_level(hits, total, floor) for hits, total, floor in floored]
    broken = [False] * len(levels)
    for rank, place in enumerate(sorted(range(len(levels)), key=levels.__getitem__)):
        if levels[place] >= alpha / (len(levels) - rank):
            break
        broken[place] = True
    return broken


def _level(hits: int, total: int, floor: float) -> float:
    """The level at which the two-sided Wilson interval's upper bound would just reach the floor; 1 when above it."""
    if total == 0 or floor <= 0 or hits / total >= floor:
        return 1.0
    return 2 * _NORMAL.cdf((hits / total - floor) / sqrt(floor * (1 - floor) / total))
