"""All pairs of 64-bit hashes that lie within a few bits of each other: arrays in, arrays out, no image is loaded.

Hashes that differ in at most r bits, cut into r + 2 parts, agree in two parts at least (pigeonhole; multi-index
hashing, Norouzi, Punjani, Fleet 2012, with two parts instead of one). So for each two parts the hashes are sorted by
what those hold, and only hashes of equal key are compared: 28 sorts for 6 bits, and no flipped keys to look up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.library.linking import Forest, Rows

Hashes = NDArray[np.uint64]
Bits = NDArray[np.uint8]

MOST_BITS: Final = 6
_WIDTH: Final = 64
_SHORT_RUN: Final = 64
"""Hashes of equal key up to which all are compared by shifting; a longer run is compared in rectangles."""
_TILE: Final = 512
_GLANCE: Final = 4
_BLOCK: Final = 1 << 16
"""Sorted hashes worked on at once: they and what is computed of them stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows of the hashes asked about, `left` below `right`, and in how many bits the two differ."""

    left: Rows
    right: Rows
    bits: Bits


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The hashes in the order of one key: `order` gives their rows, `stop` where each one's run of equal keys ends."""

    order: Rows
    hashes: Hashes
    stop: Rows


def near_pairs(hashes: NDArray[np.int64], radius: int) -> Iterator[Pairs]:
    """Every pair of the distinct (N,) hashes within `radius` bits, each once, in blocks as they are found.

    Memory does not grow with the number of pairs. Raises ValueError for a radius outside 1 to MOST_BITS.
    """
    unsigned, spans = _checked(hashes, radius)
    for two in combinations(range(len(spans)), 2):
        for found in _compared(_sorted_by(unsigned, spans, two), radius):
            pairs = _first_seen(found, unsigned, spans, two)
            if len(pairs.left):
                yield pairs


def near_edges(hashes: NDArray[np.int64], radius: int) -> Pairs:
    """The fewest pairs that link all (N,) hashes within `radius` bits, directly or through others: at most N - 1.

    Equal hashes are linked to the first of them, so that a cluster of n images has n - 1 edges, not all its pairs.
    Raises ValueError for a radius outside 1 to MOST_BITS.
    """
    distinct, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    unsigned, spans = _checked(distinct, radius)
    forest = Forest(len(distinct))
    # A dense cluster has far more pairs than edges: a glance at the next few links most of it, and a run of equal keys
    # that is one group by then need not be compared.
    for most in (_GLANCE, len(distinct)):
        for two in combinations(range(len(spans)), 2):
            for found in _compared(_sorted_by(unsigned, spans, two), radius, forest=forest, most=most):
                forest.add(found.left, found.right, found.bits)
            forest.settle()
    left, right, bits = forest.edges()
    rows = np.arange(len(hashes))
    copies = np.flatnonzero(first[place] != rows)
    near = np.sort(np.stack((first[left], first[right])), axis=0)
    return Pairs(
        np.concatenate((first[place[copies]], near[0])),
        np.concatenate((copies, near[1])),
        np.concatenate((np.zeros(len(copies), np.uint8), bits)),
    )


def _checked(hashes: NDArray[np.int64], radius: int) -> tuple[Hashes, list[tuple[int, int]]]:
    """The hashes as unsigned numbers, and the (lowest bit, width) of each part."""
    if not 1 <= radius <= MOST_BITS:
        raise ValueError(f"a radius is 1 to {MOST_BITS} bits; received {radius}")
    bounds = [_WIDTH * part // (radius + 2) for part in range(radius + 3)]
    spans = [(low, high - low) for low, high in pairwise(bounds)]
    return np.ascontiguousarray(hashes, dtype=np.int64).view(np.uint64), spans


def _part(hashes: Hashes, span: tuple[int, int]) -> Hashes:
    low, width = span
    return (hashes >> np.uint64(low)) & np.uint64((1 << width) - 1)


def _sorted_by(hashes: Hashes, spans: list[tuple[int, int]], two: tuple[int, int]) -> _Sorted:
    high, low = (spans[part] for part in two)
    key = (_part(hashes, high) << np.uint64(low[1])) | _part(hashes, low)
    # NumPy sorts 16 bits by counting, which is ten times as fast: a wider key is sorted 16 bits at a time.
    order = np.argsort(key.astype(np.uint16), kind="stable")
    for shift in range(16, high[1] + low[1], 16):
        rest = (key >> np.uint64(shift)).astype(np.uint16)[order]
        order = order[np.argsort(rest, kind="stable")]
    key = key[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    stops = np.append(starts[1:], len(key))
    return _Sorted(order, hashes[order], np.repeat(stops, stops - starts))


def _compared(run: _Sorted, radius: int, *, forest: Forest | None = None, most: int = 1 << 62) -> Iterator[Pairs]:
    """Pairs within `radius` that have this key in common, of each hash with at most the next `most` of its run.

    With a forest, runs that it links into one group already are left out.
    """
    stop = run.stop if forest is None else _mixed(run, forest)
    places = np.arange(len(stop))
    starts = _start_of(run.stop)
    is_long = (stop - starts > _SHORT_RUN) & (most > _SHORT_RUN)
    partners = np.minimum(np.where(is_long, 0, stop - places - 1), most)
    for start in range(0, len(stop), _BLOCK):
        at = start + np.flatnonzero(partners[start : start + _BLOCK] > 0)
        shift = 1
        while len(at):
            bits = np.bitwise_count(run.hashes[at] ^ run.hashes[at + shift])
            near = np.flatnonzero(bits <= radius)
            if len(near):
                yield _rows(run, at[near], at[near] + shift, bits[near])
            shift += 1
            at = at[partners[at] >= shift]
    first = np.flatnonzero(is_long & (starts == places))
    for start in first.tolist():
        yield from _tiled(run, start, int(stop[start]), radius, forest)


def _start_of(stop: Rows) -> Rows:
    """Where the run of each place begins."""
    starts = np.concatenate(([0], np.flatnonzero(stop[1:] != stop[:-1]) + 1))
    return np.repeat(starts, np.diff(np.append(starts, len(stop))))


def _mixed(run: _Sorted, forest: Forest) -> Rows:
    """Where runs end, without those that the forest links into one already: these end where they begin."""
    starts = np.flatnonzero(_start_of(run.stop) == np.arange(len(run.stop)))
    group = forest.group[run.order]
    is_one = np.minimum.reduceat(group, starts) == np.maximum.reduceat(group, starts)
    sizes = np.diff(np.append(starts, len(group)))
    return np.where(np.repeat(is_one, sizes), np.repeat(starts, sizes), run.stop)


def _tiled(run: _Sorted, start: int, stop: int, radius: int, forest: Forest | None) -> Iterator[Pairs]:
    """Pairs within a long run, rectangle by rectangle; with a forest, not those inside the run's largest group."""
    columns = np.arange(start, stop)
    rows = columns if forest is None else columns[_outside_largest(forest.group[run.order[start:stop]])]
    for top in range(0, len(rows), _TILE):
        some = rows[top : top + _TILE]
        for left in range(0 if forest is not None else top, len(columns), _TILE):
            others = columns[left : left + _TILE]
            bits = np.bitwise_count(run.hashes[some][:, None] ^ run.hashes[others][None, :]).ravel()
            near = np.flatnonzero(bits <= radius)
            row, column = some[near // len(others)], others[near % len(others)]
            wanted = row != column if forest is not None else row < column
            if wanted.any():
                yield _rows(run, row[wanted], column[wanted], bits[near[wanted]])


def _outside_largest(group: Rows) -> NDArray[np.bool_]:
    """Which members of a run are not in the group that most of them are in."""
    groups, counts = np.unique(group, return_counts=True)
    outside: NDArray[np.bool_] = group != groups[counts.argmax()]
    return outside


def _rows(run: _Sorted, left: Rows, right: Rows, bits: Bits) -> Pairs:
    one, other = run.order[left], run.order[right]
    return Pairs(np.minimum(one, other), np.maximum(one, other), bits)


def _first_seen(found: Pairs, hashes: Hashes, spans: list[tuple[int, int]], two: tuple[int, int]) -> Pairs:
    """Without the pairs that agree in an earlier part too: those were found by an earlier two."""
    differs = hashes[found.left] ^ hashes[found.right]
    is_new = np.ones(len(differs), dtype=np.bool_)
    for part in range(two[1]):
        if part != two[0]:
            is_new &= _part(differs, spans[part]) != 0
    return Pairs(found.left[is_new], found.right[is_new], found.bits[is_new])
