"""Linking rows of an array into groups by pairs that come in any number, keeping no more edges than are needed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
_WAITING: Final = 1 << 20


class Forest:
    """Groups of rows 0..size-1, and the edges that made them: at most size - 1, the nearest of those at hand first.

    Pairs wait until there are many, so that linking works on whole arrays.
    """

    def __init__(self, size: int) -> None:
        self.group: Rows = np.arange(size)
        """The lowest row of each row's group, as far as pairs have been settled."""
        self._waiting: list[tuple[Rows, Rows, NDArray[Any]]] = []
        self._count = 0
        self._kept: list[tuple[Rows, Rows, NDArray[Any]]] = []

    def add(self, left: Rows, right: Rows, distance: NDArray[Any]) -> None:
        """Link each pair of rows; what is linked already costs nothing more."""
        news = self.group[left] != self.group[right]
        if news.any():
            self._waiting.append((left[news], right[news], distance[news]))
            self._count += int(news.sum())
        if self._count >= _WAITING:
            self.settle()

    def settle(self) -> None:
        """Let `group` follow the pairs that wait."""
        if not self._waiting:
            return
        left, right, distance = (np.concatenate(columns) for columns in zip(*self._waiting, strict=True))
        self._waiting, self._count = [], 0
        nearest = np.argsort(distance, kind="stable")
        left, right, distance = left[nearest], right[nearest], distance[nearest]
        # Borůvka 1926: each group takes its nearest edge, until none leads out. Ties go by place, which bars cycles.
        while True:
            one, other = self.group[left], self.group[right]
            leads_out = one != other
            left, right, distance = left[leads_out], right[leads_out], distance[leads_out]
            if not len(left):
                return
            one, other = one[leads_out], other[leads_out]
            places = np.arange(len(left))
            best = np.full(len(self.group), len(left))
            np.minimum.at(best, one, places)
            np.minimum.at(best, other, places)
            taken = np.unique(best[best < len(left)])
            self._kept.append((left[taken], right[taken], distance[taken]))
            self.group = _hooked(self.group, one[taken], other[taken])

    def edges(self) -> tuple[Rows, Rows, NDArray[Any]]:
        """The pairs that linked anything: rows, rows and distances."""
        self.settle()
        if not self._kept:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, np.zeros(0, dtype=np.uint8)
        left, right, distance = (np.concatenate(columns) for columns in zip(*self._kept, strict=True))
        return left, right, distance


def _hooked(group: Rows, one: Rows, other: Rows) -> Rows:
    """The groups once each of `one` is joined with its `other`: hooking to the lowest, then pointer jumping."""
    root = np.arange(len(group))
    while True:
        low = np.minimum(root[one], root[other])
        before = root.copy()
        np.minimum.at(root, one, low)
        np.minimum.at(root, other, low)
        root = root[root]
        root = root[root]
        if np.array_equal(root[one], root[other]) and np.array_equal(root, before):
            return root[group]
