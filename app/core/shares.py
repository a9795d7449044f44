"""A share with its interval. Wilson's score interval: E. B. Wilson, JASA 22 (1927)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`, with the bounds of Wilson's 95% interval; all in 0..1, and 0..1 wide when total is 0."""

    hits: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The point estimate; 0 of nothing."""
        return self.hits / self.total if self.total else 0.0

    @property
    def margin(self) -> float:
        """Half the interval's width, for "0.87 ± 0.02"."""
        return (self.high - self.low) / 2


def wilson(hits: int, total: int, *, confidence: float = 0.95) -> Share:
    """The two-sided Wilson interval of `hits` of `total`."""
    if total == 0:
        return Share(0, 0, 0.0, 1.0)
    z = _NORMAL.inv_cdf(0.5 + confidence / 2)
    share, spread = hits / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return Share(hits, total, centre - half if hits else 0.0, centre + half if hits < total else 1.0)
