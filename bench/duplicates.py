"""All near pairs of a million perceptual hashes: the time, the memory, and whether any pair is missed.

Product: `app/library/near_pairs.py` on hashes as a library has them (most alone, some copied a few times, some bursts
of hundreds), on copies only (every picture a thousand times), and on strongly correlated ones (64 bits that follow
sixteen hidden numbers). Baseline: brute force in NumPy on a part of the rows against all, in turns with the product;
the time of the whole is extrapolated from it. Recall: of the near pairs that brute force finds for that part, the share
that the product finds too. Each product run is a process of its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from measuring import Figure, Goal, Options, Outcome, in_turns, run_benchmark
from numpy.typing import NDArray

from app.library.near_pairs import near_edges, near_pairs

ABOUT: Final = "Near duplicates among a million hashes."
HASHES: Final = 1_000_000
RADIUS: Final = 6
PART: Final = 400
"""Rows that the baseline compares with all others."""
Hashes = NDArray[np.int64]


def measure(options: Options) -> Outcome:
    """Time each way in turns; then the pairs of the baseline's part decide on the recall."""
    rounds = options.choose_rounds(quick=1, full=3)
    peaks: list[float] = []
    measured = in_turns(
        rounds,
        {
            "brute force": lambda: _brute_force_seconds(_hashes("library")),
            "pairs": lambda: _apart(_pairs_seconds, "library", peaks),
            "edges": lambda: _apart(_edges_seconds, "library", peaks),
            "edges of copies": lambda: _apart(_edges_seconds, "copies", peaks),
            "pairs of correlated": lambda: _apart(_pairs_seconds, "correlated", peaks),
        },
    )
    seconds = {name: median(values) for name, values in measured.items()}
    figures: dict[str, Figure] = {
        "pairs_1m_s": seconds["pairs"],
        "peak_gib": max(peaks),
        "recall": _recall(_hashes("library")),
        "edges_1m_s": seconds["edges"],
        "edges_of_copies_1m_s": seconds["edges of copies"],
        "correlated_pairs_1m_s": seconds["pairs of correlated"],
        "brute_force_1m_extrapolated_s": seconds["brute force"],
        "times_brute_force": seconds["brute force"] / seconds["pairs"],
    }
    goals = [
        Goal("pairs_1m_s", figures["pairs_1m_s"], "at most", 60),
        Goal("peak_gib", figures["peak_gib"], "at most", 1),
        Goal("recall", figures["recall"], "at least", 1),
    ]
    return Outcome({"hashes": HASHES, "radius_bits": RADIUS, "baseline_rows": PART, "rounds": rounds}, figures, goals)


def _hashes(kind: str) -> Hashes:
    """A million hashes of a kind, always the same."""
    rng = np.random.default_rng(7)
    if kind == "correlated":
        hidden = rng.standard_normal((16, 64))
        parts = [rng.standard_normal((HASHES // 20, 16)) @ hidden > 0 for _ in range(20)]
        return np.concatenate([np.packbits(part, axis=1).view(np.int64).ravel() for part in parts])
    if kind == "copies":
        return _copies(rng, HASHES, pictures=HASHES // 1000)
    alone = rng.integers(-(2**63), 2**63, HASHES * 7 // 10, dtype=np.int64)
    few = _copies(rng, HASHES // 4, pictures=HASHES // 16)
    bursts = _copies(rng, HASHES // 20, pictures=HASHES // 10_000)
    return rng.permutation(np.concatenate((alone, few, bursts)))


def _copies(rng: np.random.Generator, count: int, *, pictures: int) -> Hashes:
    """Copies of some pictures, each with up to four bits flipped."""
    first = rng.integers(-(2**63), 2**63, pictures, dtype=np.int64)
    copies = first[rng.integers(0, pictures, count)].view(np.uint64)
    for _ in range(4):
        flip = np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
        copies ^= np.where(rng.random(count) < 0.6, flip, np.uint64(0))
    return copies.view(np.int64)


def _near_of_part(hashes: Hashes) -> set[tuple[int, int]]:
    """By brute force: the near pairs that have one of the first rows in them."""
    found: set[tuple[int, int]] = set()
    for row, phash in enumerate(hashes[:PART]):
        near = np.flatnonzero(np.bitwise_count((hashes ^ phash).view(np.uint64)) <= RADIUS)
        found |= {(min(row, other), max(row, other)) for other in near.tolist() if other != row}
    return found


def _brute_force_seconds(hashes: Hashes) -> float:
    began = time.perf_counter()
    _near_of_part(hashes)
    return (time.perf_counter() - began) * len(hashes) / PART / 2  # each pair need be looked at but once


def _recall(hashes: Hashes) -> float:
    """The share of the pairs found by brute force that the product finds too."""
    distinct = np.unique(hashes)
    distinct = np.random.default_rng(8).permutation(distinct)
    due = _near_of_part(distinct)
    found: set[tuple[int, int]] = set()
    for pairs in near_pairs(distinct, RADIUS):
        part = pairs.left < PART
        found |= set(zip(pairs.left[part].tolist(), pairs.right[part].tolist(), strict=True))
    return len(due & found) / len(due)


def _pairs_seconds(kind: str) -> float:
    hashes = _hashes(kind)
    began = time.perf_counter()
    for _ in near_pairs(np.unique(hashes), RADIUS):
        pass
    return time.perf_counter() - began


def _edges_seconds(kind: str) -> float:
    hashes = _hashes(kind)
    began = time.perf_counter()
    near_edges(hashes, RADIUS)
    return time.perf_counter() - began


def _apart(act: Callable[[str], float], kind: str, peaks: list[float]) -> float:
    """Seconds of an act in a fresh process, whose peak of resident memory is noted in GiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found: tuple[float, float] = pool.apply(_with_peak, (act, kind))
    seconds, peak = found
    peaks.append(peak)
    return seconds


def _with_peak(act: Callable[[str], float], kind: str) -> tuple[float, float]:
    seconds = act(kind)  # before the peak is read
    return seconds, _peak_gib()


def _peak_gib() -> float:
    """The most memory this process held. Not by getrusage where the system says it better: that counts the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30


if __name__ == "__main__":
    run_benchmark("duplicates", measure, about=ABOUT)
