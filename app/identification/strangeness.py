"""What is likeliest of a class that nobody has named comes first. Arrays only.

An image of such a class is unlike all that is labelled, and like others of the results: a new class comes in heaps. So
images are ordered by the difference between both likenesses, each the mean cosine to the nearest few, evened out over
each image's neighbours. How both are weighed was chosen on `caltech`; `bench/accepting.py` confirms it on `grocery`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.identification.ranking import Space

Rows = NDArray[np.float32]

HEAP: Final = 5
"""How many of the other results an image is compared with."""
LABELLED: Final = 3
LABELLED_WEIGHT: Final = 1.5
_DIGITS: Final = 4


def strange_first(rows: Rows, known: Rows) -> list[int]:
    """The places of `rows` float32 (N, E), the strangest beside the labelled images `known` float32 (K, E) first.

    Equal ones keep their order, so the same images come in the same order. Memory grows with N (N + K): 16 MB for 2,000
    beside none.
    """
    if not len(rows):
        return []
    space = Space.fit(np.concatenate([rows, known]))
    strangeness = np.round(_strangeness(space.place(rows), space.place(known)), _DIGITS)
    return [int(place) for place in np.argsort(-strangeness, kind="stable")]


def _strangeness(placed: Rows, known: Rows) -> Rows:
    """For each image (N,): how much liker it is to others of them than to labelled ones, evened out over its heap."""
    among = placed @ placed.T
    np.fill_diagonal(among, -1.0)
    to_labelled = _nearest_mean(placed @ known.T, LABELLED)
    own = _nearest_mean(among, HEAP) - np.float32(LABELLED_WEIGHT) * to_labelled
    neighbours = np.argsort(-np.round(among, _DIGITS), axis=1, kind="stable")[:, : min(HEAP, len(among) - 1)]
    if not neighbours.shape[1]:
        return own
    evened: Rows = (own + own[neighbours].mean(axis=1)) / 2
    return evened


def _nearest_mean(cosines: Rows, count: int) -> Rows:
    kept = min(count, cosines.shape[1])
    if not kept:
        return np.zeros(len(cosines), dtype=np.float32)
    best: Rows = np.partition(cosines, -kept, axis=1)[:, -kept:].mean(axis=1)
    return best
