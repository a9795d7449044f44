"""How likely images are of a class that few are labelled of: two witnesses, fused. Arrays only.

The head alone takes what it has never seen for something it knows; neighbours alone follow backgrounds and light. The
neighbours are measured where the embeddings' common variation is taken out (Hariharan et al. 2012 whiten for the same
end), and against the labelled images of other classes. How both are weighed was chosen on one set of photos and
confirmed on another by `bench/find_the_rare.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.embeddings.centres import unit_rows

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]

MOST_DIMENSIONS: Final = 256
NEIGHBOURS: Final = 3
SHRINKAGE: Final = 1.0
OTHERS_WEIGHT: Final = 0.5
NEIGHBOURS_WEIGHT: Final = 2.0
COMPARED_WITH: Final = 2048
_SPARE_DIRECTIONS: Final = 32
_ITERATIONS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Embeddings (N, E) seen where no direction that all images vary in drowns the others."""

    mean: Rows
    projection: Rows

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """From a sample float32 (N, E) of the library, N at least 1."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        kept = min(MOST_DIMENSIONS, max(1, len(rows) - 1), rows.shape[1])
        variances, directions = _principal(centred.T @ centred / np.float32(len(rows)), kept)
        level = max(float(variances.mean()), 1e-12)
        scale = np.sqrt(variances / level + SHRINKAGE)
        return cls(mean, np.ascontiguousarray(directions / scale, dtype=np.float32))

    def place(self, rows: Rows) -> Rows:
        """Unit vectors float32 (N, D) of embeddings (N, E)."""
        return unit_rows(np.asarray((rows - self.mean) @ self.projection, dtype=np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labelled images to compare with: ids and class ids (S,), embeddings float32 (S, E)."""

    ids: Ids
    class_ids: Ids
    rows: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The likeliest images of one class, best first; all arrays (K,).

    `score` 0..1 only ranks. `confidence` is the head's, `similarity` the cosine of the embeddings to `nearest_ids`.
    `is_named`: the head puts the class first, or the nearest labelled images are of it rather than of another.
    """

    image_ids: Ids
    nearest_ids: Ids
    score: NDArray[np.float64]
    confidence: Rows
    similarity: Rows
    is_named: NDArray[np.bool_]


class Ranker:
    """Ranks images for classes, once it has seen a sample of those to be ranked.

    `sample` float32 (N, E) are embeddings of images to rank, `scores` (N, C) the head's confidences for them, its
    columns in the order of `class_ids`.
    """

    def __init__(self, labelled: Labelled, sample: Rows, scores: Rows, class_ids: Sequence[int]) -> None:
        self._labelled = labelled
        self._columns = {class_id: column for column, class_id in enumerate(class_ids)}
        self.space = Space.fit(np.concatenate([sample, labelled.rows]))
        self._known = self.space.place(labelled.rows)
        every = max(1, len(sample) // COMPARED_WITH)
        self._sample, self._sample_scores = self.space.place(sample[::every]), scores[::every]

    def centres(self, class_ids: Sequence[int]) -> Rows:
        """The mean direction of each class's labelled images in `space`, unit vectors (R, D)."""
        means = [self._known[self._labelled.class_ids == class_id].mean(axis=0) for class_id in class_ids]
        return unit_rows(np.stack(means))

    def rank(self, class_id: int, image_ids: Ids, rows: Rows, scores: Rows, *, most: int) -> Ranked:
        """The `most` likeliest of images with embeddings float32 (N, E) and confidences (N, C), for one class."""
        column = self._columns[class_id]
        own, others = self._nearness(class_id, self.space.place(rows))
        sample_own, sample_others = self._nearness(class_id, self._sample)
        by_head = _standardised(_log(scores[:, column]), _log(self._sample_scores[:, column]))
        by_neighbours = _standardised(own - OTHERS_WEIGHT * others, sample_own - OTHERS_WEIGHT * sample_others)
        fused = by_head + NEIGHBOURS_WEIGHT * by_neighbours
        best = np.lexsort((image_ids, -fused))[:most]
        similarity, nearest = self._nearest(class_id, rows[best])
        is_named = (scores[best].argmax(axis=1) == column) | (own[best] > others[best])
        # Squashed wide, so that float64 still tells the best apart.
        score = 1.0 / (1.0 + np.exp(-fused[best].astype(np.float64) / 8))
        return Ranked(image_ids[best], nearest, score, scores[best, column], similarity, is_named)

    def _nearness(self, class_id: int, placed: Rows) -> tuple[Rows, Rows]:
        """Mean cosine to the nearest labelled images of the class, and to the nearest of all other classes, (N,)."""
        is_own = self._labelled.class_ids == class_id
        return _nearest_mean(placed, self._known[is_own]), _nearest_mean(placed, self._known[~is_own])

    def _nearest(self, class_id: int, rows: Rows) -> tuple[Rows, Ids]:
        """The cosine of the embeddings as they are, as pages show it elsewhere, and the image it is to."""
        is_own = self._labelled.class_ids == class_id
        cosines = unit_rows(rows) @ unit_rows(self._labelled.rows[is_own]).T
        return cosines.max(axis=1), self._labelled.ids[is_own][cosines.argmax(axis=1)]


def _principal(covariance: Rows, count: int) -> tuple[Rows, Rows]:
    """The largest variances (K,) and their directions (E, K), by subspace iteration (Halko et al. 2011).

    All of them by a full decomposition would take longer than everything else here, most of it for directions that are
    thrown away.
    """
    random = np.random.default_rng(0)
    spare = min(len(covariance), count + _SPARE_DIRECTIONS)
    basis = random.standard_normal((len(covariance), spare)).astype(np.float32)
    for _ in range(_ITERATIONS):
        basis = np.linalg.qr(covariance @ basis)[0]
    variances, turns = np.linalg.eigh(basis.T @ covariance @ basis)
    largest = np.maximum(variances[::-1][:count], 0.0).astype(np.float32)
    return largest, np.asarray(basis @ turns[:, ::-1][:, :count], dtype=np.float32)


def _nearest_mean(placed: Rows, known: Rows) -> Rows:
    if not len(known):
        return np.zeros(len(placed), dtype=np.float32)
    cosines = placed @ known.T
    count = min(NEIGHBOURS, len(known))
    best: Rows = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
    return best


def _log(confidences: Rows) -> Rows:
    logarithms: Rows = np.log(np.maximum(confidences, np.float32(1e-12)))
    return logarithms


def _standardised(values: Rows, sample: Rows) -> Rows:
    spread = max(float(sample.std()), 1e-6)
    standardised: Rows = (values - sample.mean()) / np.float32(spread)
    return standardised
