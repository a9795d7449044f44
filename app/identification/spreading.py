"""Most different first: near-duplicates stacked on the first of them, then each as far as can be from all before.

The second part is farthest-first traversal (Gonzalez, 1985), which covers a set within twice the best radius possible
however many are taken. Everything is rounded and ties go by place, so the same images come in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.embeddings.alike import DEFAULT_SIMILARITY
from app.embeddings.centres import unit_rows

NEAR: Final = DEFAULT_SIMILARITY
"""Images whose embeddings have at least this cosine are near-duplicates."""
_DIGITS: Final = 4


def spread(rows: NDArray[np.float32], groups: Sequence[int | None], *, near: float = NEAR) -> list[list[int]]:
    """Stacks of places in `rows` float32 (N, E), the most different first, of each stack the first place first.

    `rows` are in the order in which images are to stand for others; `groups` (N) are numbers of known duplicates, None
    for none. A row of zeros is unlike any other. Memory grows with N squared: 16 MB for 2,000.
    """
    if not len(rows):
        return []
    unit = unit_rows(rows)
    cosines = np.round(unit @ unit.T, _DIGITS)
    stacks = _stacked(cosines, groups, near)
    return [stacks[each] for each in _farthest_first(cosines, [stack[0] for stack in stacks])]


def _stacked(cosines: NDArray[np.float32], groups: Sequence[int | None], near: float) -> list[list[int]]:
    """Each place that no stack has yet takes what is like it: never what is only like something that it took."""
    numbers = np.array([-1 if each is None else each for each in groups], dtype=np.int64)
    is_free = np.ones(len(cosines), dtype=bool)
    stacks = []
    for place in range(len(cosines)):
        if not is_free[place]:
            continue
        is_near = cosines[place] >= near
        if numbers[place] >= 0:
            is_near |= numbers == numbers[place]
        is_near[place] = True
        members = np.flatnonzero(is_near & is_free)
        is_free[members] = False
        stacks.append([place, *(each for each in members.tolist() if each != place)])
    return stacks


def _farthest_first(cosines: NDArray[np.float32], places: list[int]) -> list[int]:
    """Indices into `places`: the first, then each time the one whose nearest among those taken is farthest."""
    own = cosines[np.ix_(places, places)]
    nearest = own[0].copy()
    order = [0]
    nearest[0] = np.inf
    for _ in range(len(places) - 1):
        chosen = int(np.argmin(nearest))
        order.append(chosen)
        np.maximum(nearest, own[chosen], out=nearest)
        nearest[chosen] = np.inf
    return order
