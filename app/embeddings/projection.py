"""From embeddings to a plane: PCA to 50 dimensions, then PaCMAP on a sample; the rest lies among its neighbours.

PaCMAP keeps both near neighbours and the larger shape: Wang, Huang, Rudin, Shaposhnik, "Understanding How Dimension
Reduction Tools Work", JMLR 22 (2021). Arrays in, arrays out; the same input gives the same map.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DIMENSIONS: Final = 50
NEIGHBOURS: Final = 5
_LEAST_FOR_PACMAP: Final = 32
_BLOCK: Final = 8192
_CELLS_SEARCHED: Final = 8
_SEED: Final = 20


@dataclass(frozen=True)
class Axes:
    """A principal component analysis: the mean (E,) and the directions (E, d) of most variance."""

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    def reduce(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (N, E) as (N, d)."""
        return np.asarray((rows - self.mean) @ self.directions, dtype=np.float32)


def find_axes(sample: NDArray[np.float16]) -> Axes:
    """The axes of a sample (N, E), by its covariance, read in blocks so that no float32 copy of it is made."""
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = np.zeros((sample.shape[1], sample.shape[1]), dtype=np.float64)
    for start in range(0, len(sample), _BLOCK):
        block = sample[start : start + _BLOCK].astype(np.float32) - mean
        covariance += block.T @ block
    kept = min(DIMENSIONS, sample.shape[1])
    return Axes(mean, np.linalg.eigh(covariance)[1][:, ::-1][:, :kept].astype(np.float32))


def lay_out(reduced: NDArray[np.float32]) -> NDArray[np.float32]:
    """Places (N, 2) of rows (N, d): by PaCMAP, or by the first two axes where there are too few rows for it."""
    if len(reduced) < _LEAST_FOR_PACMAP:
        return np.pad(reduced[:, :2], ((0, 0), (0, max(0, 2 - reduced.shape[1]))))
    import pacmap

    logging.getLogger("pacmap").setLevel(logging.ERROR)  # It warns that a seed was set.
    mapper = pacmap.PaCMAP(n_components=2, apply_pca=False, random_state=_SEED)
    places = mapper.fit_transform(reduced, init="pca")
    return np.asarray(places, dtype=np.float32)


class Neighbourhood:
    """Places further rows among those that were laid out."""

    def __init__(self, reduced: NDArray[np.float32], places: NDArray[np.float32]) -> None:
        import faiss

        cells = max(1, int(len(reduced) ** 0.5))
        self._places = places
        kind = f"IVF{cells},Flat" if cells > NEIGHBOURS else "Flat"
        self._index: Any = faiss.index_factory(reduced.shape[1], kind)
        self._index.train(reduced)
        self._index.add(reduced)
        if cells > NEIGHBOURS:
            faiss.extract_index_ivf(self._index).nprobe = _CELLS_SEARCHED

    def place(self, reduced: NDArray[np.float32]) -> NDArray[np.float32]:
        """Places (N, 2): the mean of each row's nearest neighbours' places, nearer ones weighing more."""
        distances, found = self._index.search(np.ascontiguousarray(reduced), min(NEIGHBOURS, len(self._places)))
        weights = np.where(found >= 0, 1.0 / (np.sqrt(np.maximum(distances, 0)) + 1e-6), 0.0)
        weights /= weights.sum(axis=1, keepdims=True)
        return np.asarray((self._places[found] * weights[:, :, None]).sum(axis=1), dtype=np.float32)


def into_unit_square(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Places (N, 2) moved and scaled so that the longer side runs from 0 to 1, the shorter one in its middle."""
    low, high = places.min(axis=0), places.max(axis=0)
    side = max(float((high - low).max()), 1e-9)
    return np.asarray((places - (low + high) / 2) / side + 0.5, dtype=np.float32)
