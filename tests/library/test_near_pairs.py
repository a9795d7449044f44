"""Near pairs of hashes are found completely, however alike the hashes are, and linked by as few edges as will do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.library import near_pairs as searching
from app.library.grouping import components
from app.library.near_pairs import MOST_BITS, near_edges, near_pairs

Hashes = NDArray[np.int64]


def random_hashes(seed: int, count: int) -> Hashes:
    """Hashes that tell nothing of each other."""
    return np.random.default_rng(seed).integers(-(2**63), 2**63, count, dtype=np.int64)


def clustered_hashes(seed: int, count: int) -> Hashes:
    """A few pictures in many copies that differ in up to five bits."""
    rng = np.random.default_rng(seed)
    copies = rng.integers(-(2**63), 2**63, 3, dtype=np.int64)[rng.integers(0, 3, count)].view(np.uint64)
    for _ in range(5):
        flip = np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
        copies ^= np.where(rng.random(count) < 0.6, flip, np.uint64(0))
    return copies.view(np.int64)


def correlated_hashes(seed: int, count: int) -> Hashes:
    """64 bits that all follow six hidden numbers."""
    rng = np.random.default_rng(seed)
    signs = rng.standard_normal((count, 6)) @ rng.standard_normal((6, 64)) > 0
    return np.packbits(signs, axis=1).view(np.int64).ravel()


def biased_hashes(seed: int, count: int) -> Hashes:
    """Most bits are nought, so that many hashes agree in whole parts."""
    return np.packbits(np.random.default_rng(seed).random((count, 64)) < 0.08, axis=1).view(np.int64).ravel()


KINDS: list[Any] = [random_hashes, clustered_hashes, correlated_hashes, biased_hashes]


def distances(hashes: Hashes) -> NDArray[np.uint8]:
    return np.bitwise_count((hashes[:, None] ^ hashes[None, :]).view(np.uint64))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 2**32), st.integers(0, 400), st.integers(1, MOST_BITS))
def test_every_near_pair_is_found_once_with_its_distance(kind: Any, seed: int, count: int, radius: int):
    hashes = np.random.default_rng(seed).permutation(np.unique(kind(seed, count)))
    bits = distances(hashes)
    found = [
        (int(left), int(right), int(between))
        for pairs in near_pairs(hashes, radius)
        for left, right, between in zip(pairs.left, pairs.right, pairs.bits, strict=True)
    ]
    near = np.argwhere(np.triu(bits <= radius, 1)).tolist()
    assert sorted(found) == [(left, right, bits[left, right]) for left, right in near]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 2**32), st.integers(0, 400), st.integers(1, MOST_BITS))
def test_edges_link_what_is_near_and_nothing_else(kind: Any, seed: int, count: int, radius: int):
    hashes = np.random.default_rng(seed).choice(kind(seed, count), count) if count else kind(seed, 0)
    bits = distances(hashes)
    edges = near_edges(hashes, radius)
    linked = list(zip(edges.left.tolist(), edges.right.tolist(), strict=True))
    assert all(left < right and bits[left, right] <= radius for left, right in linked)
    assert [bits[left, right] for left, right in linked] == edges.bits.tolist()
    near = [(left, right) for left, right in np.argwhere(np.triu(bits <= radius, 1)).tolist()]
    assert list(components(linked)) == list(components(near))
    assert len(linked) == sum(len(members) - 1 for members in components(near))


def test_long_runs_of_equal_parts_are_searched_as_completely():
    hashes = np.unique(biased_hashes(1, 2000))
    assert sum(len(pairs.left) for pairs in near_pairs(hashes, 6)) == int(np.triu(distances(hashes) <= 6, 1).sum())
    edges = near_edges(clustered_hashes(2, 2000), 6)
    assert len(edges.left) == 2000 - 3
    assert searching._SHORT_RUN < 2000 / 3


def test_equal_hashes_are_linked_to_the_first_of_them():
    edges = near_edges(np.array([7, 5 << 40, 7, 7, -1], dtype=np.int64), 3)
    assert [*zip(edges.left.tolist(), edges.right.tolist(), edges.bits.tolist(), strict=True)] == [(0, 2, 0), (0, 3, 0)]


@pytest.mark.parametrize("radius", [0, 7])
def test_a_radius_beyond_what_the_search_covers_is_refused(radius: int):
    with pytest.raises(ValueError, match=f"1 to 6 bits; received {radius}"):
        near_edges(np.zeros(2, dtype=np.int64), radius)
