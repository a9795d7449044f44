"""usearch's exact scan, wrapped, for the sake of how it has to be loaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest_rows(rows: NDArray[np.float16], query: NDArray[np.float32], count: int) -> tuple[list[int], list[float]]:
    """The `count` rows of (N, E) nearest to `query` (E,) by cosine, and their similarities, best first.

    `rows` may be mapped from a file; it is not copied. A row or query of zeros is similar to nothing (-1).
    """
    # usearch 2.26 puts its kernels into the process's global symbols; onnxruntime 1.31 loaded after that crashes.
    import onnxruntime  # noqa: F401 - loaded first
    from usearch.compiled import MetricKind
    from usearch.index import search

    matches = search(rows, query.astype(np.float16), min(count, len(rows)), MetricKind.Cos, exact=True)
    distances = np.nan_to_num(np.asarray(matches.distances, dtype=np.float32), nan=2.0)
    return np.asarray(matches.keys).tolist(), (1.0 - distances).tolist()
