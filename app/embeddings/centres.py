"""Finding what lies together: cluster centres of unit vectors, and the nearest centre of each row. Arrays only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

IMAGES_PER_CLUSTER: Final = 40
MOST_CLUSTERS: Final = 1024
SAMPLE: Final = 40_000
_BLOCK: Final = 4096
_PASSES: Final = 3


def wanted_clusters(images: int) -> int:
    """About one for each IMAGES_PER_CLUSTER images, 1 to MOST_CLUSTERS: a cluster fills a page in a small library."""
    return int(np.clip(round(images / IMAGES_PER_CLUSTER), 1, MOST_CLUSTERS))


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (N, E) of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)


def find_centres(sample: NDArray[np.float16], clusters: int) -> NDArray[np.float32]:
    """Up to `clusters` unit vectors (C, E), by mini-batch k-means (Sculley, 2010) over a sample of unit rows (N, E).

    The same sample gives the same centres.
    """
    from sklearn.cluster import MiniBatchKMeans

    wanted = min(clusters, len(sample))
    order = np.random.default_rng(0).permutation(len(sample))
    means = MiniBatchKMeans(wanted, random_state=0, batch_size=_BLOCK, n_init=1, reassignment_ratio=0.0)
    size = max(_BLOCK, 2 * wanted)
    for _ in range(_PASSES):
        for block in np.array_split(order, max(1, len(order) // size)):
            means.partial_fit(sample[block].astype(np.float32))
    return unit_rows(np.asarray(means.cluster_centers_, dtype=np.float32))


def nearest_centres(
    rows: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """For each unit row (N, E): its nearest centre's place, and the cosine to it."""
    cosines = rows @ centres.T
    places = cosines.argmax(axis=1)
    return places.astype(np.int32), np.take_along_axis(cosines, places[:, None], axis=1)[:, 0]


def ranks_within(clusters: NDArray[np.int32], cosines: NDArray[np.float32]) -> NDArray[np.int32]:
    """The place of each row within its cluster, 0 for the one nearest to the centre."""
    order = np.lexsort((-cosines, clusters))
    sorted_clusters = clusters[order]
    starts = np.searchsorted(sorted_clusters, sorted_clusters)
    ranks = np.empty(len(clusters), dtype=np.int32)
    ranks[order] = np.arange(len(clusters)) - starts
    return ranks


def continued_ranks(clusters: Iterable[int], taken: dict[int, int]) -> list[int]:
    """Places for later arrivals, counted on from `taken` (how many each cluster has), which grows with them."""
    ranks = []
    for cluster in clusters:
        ranks.append(taken.get(cluster, 0))
        taken[cluster] = ranks[-1] + 1
    return ranks
