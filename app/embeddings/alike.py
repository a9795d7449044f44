"""Links between images whose embeddings point nearly the same way: near duplicates that no hash of pixels shows.

A small library is compared all with all, in blocks. In a larger one usearch's graph over a random projection to 128
numbers (Johnson and Lindenstrauss, 1984) names the candidates, and the whole embeddings decide: about a quarter of a
gigabyte for a million images instead of all their embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.core.database import read, write
from app.core.errors import Conflict
from app.core.texts import tr
from app.embeddings.centres import unit_rows
from app.embeddings.store import read_embeddings
from app.library.linking import Forest
from app.library.proposing import Link, propose, standing
from app.registry.queries import reference_trunk
from app.registry.schemas import TrunkRef
from app.runs.context import RunContext

KIND: Final = "embeddings.duplicates"
DEFAULT_SIMILARITY: Final = 0.95
EXACT_UP_TO: Final = 20_000
_PAGE: Final = 4096
_BLOCK: Final = 1024
_PROJECTED: Final = 128
_SLACK: Final = 0.04
"""How much below the threshold a candidate's projected cosine may lie: some four times what projecting errs there."""
_NEIGHBOURS: Final = 8
Half = NDArray[np.float16]
Links = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def look_for_alikes(context: RunContext, *, exact_up_to: int = EXACT_UP_TO) -> None:
    """The run kind `embeddings.duplicates`: proposes images whose cosine by the reference trunk reaches `similarity`.

    Raises Conflict without a reference trunk or embeddings.
    """
    similarity = float(context.parameters.get("similarity", DEFAULT_SIMILARITY))
    with read() as session:
        trunk = reference_trunk(session, context.project_id)
    if trunk is None:
        raise Conflict(tr("this project has no reference trunk yet; it gets one with its first pretrained version"))
    context.progress(0, 0, "Reading the embeddings")
    found = standing(context.project_id)
    units = np.unique(found.unit)
    is_small = len(units) <= exact_up_to
    projection = None if is_small else _projection(trunk.width)
    ids, rows = _gathered(trunk, units, projection)
    if not len(ids):
        raise Conflict(tr("no image of this project is embedded yet; embed the library first"))
    context.progress(0, 0, "Comparing")
    if is_small:
        left, right, cosine = all_alike(rows, similarity)
    else:
        told = partial(context.progress, total=2 * len(rows), note="Comparing")
        left, right, cosine = graph_alike(rows, similarity - _SLACK, on_progress=told)
        left, right, cosine = _decided(trunk, ids, (left, right, cosine), similarity)
    ends = zip(ids[left].tolist(), ids[right].tolist(), (1 - cosine).clip(0).tolist(), strict=True)
    proposed = propose(context, "embedding", found, [Link(*each) for each in ends])
    with write() as session:
        context.complete(session, {"images": len(ids), "similarity": similarity, "proposals": proposed})


def _projection(width: int) -> NDArray[np.float32]:
    """Always the same, so that a search repeats."""
    drawn = np.random.default_rng(0).standard_normal((width, _PROJECTED), dtype=np.float32)
    return drawn / np.float32(np.sqrt(_PROJECTED))


def _gathered(
    trunk: TrunkRef, units: NDArray[np.int64], projection: NDArray[np.float32] | None
) -> tuple[NDArray[np.int64], Half]:
    """The ids that have an embedding, and their unit rows, projected where asked."""
    ids: list[int] = []
    rows: list[Half] = []
    for page in _pages(units):
        with read() as session:
            found, embeddings = read_embeddings(session, trunk.id, page)
        if found:
            ids += found
            wanted = embeddings if projection is None else embeddings @ projection
            rows.append(unit_rows(wanted).astype(np.float16))
    width = trunk.width if projection is None else _PROJECTED
    return np.array(ids, dtype=np.int64), np.concatenate(rows) if rows else np.zeros((0, width), np.float16)


def _pages(ids: NDArray[np.int64]) -> Iterator[list[int]]:
    each = iter(ids.tolist())
    while page := list(islice(each, _PAGE)):
        yield page


def all_alike(rows: Half, similarity: float) -> Links:
    """The fewest links (left, right, cosine) that join unit rows (N, E) of at least this cosine; exact."""
    forest = Forest(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float32)
        for other in range(start, len(rows), _BLOCK):
            cosine = block @ rows[other : other + _BLOCK].astype(np.float32).T
            left, right = np.nonzero(cosine >= similarity)
            upper = left + start < right + other
            left, right = left[upper], right[upper]
            forest.add(left + start, right + other, (1 - cosine[left, right]).astype(np.float32))
    left, right, distance = forest.edges()
    return left, right, (1 - distance).astype(np.float32)


def graph_alike(rows: Half, similarity: float, *, on_progress: Callable[[int], None] | None = None) -> Links:
    """The same among each row's nearest by usearch's graph (HNSW; Malkov and Yashunin, 2016); nearly all are found.

    `on_progress` gets the rows done, of twice as many as there are; what it raises ends the work.
    """
    import onnxruntime  # noqa: F401 - before usearch, which it would crash after (see exact.py)
    from usearch.index import Index

    index: Any = Index(ndim=rows.shape[1], metric="cos", dtype="f16", connectivity=12, expansion_add=48)
    tell = on_progress or (lambda _: None)
    for start in range(0, len(rows), _PAGE):
        block = rows[start : start + _PAGE]
        index.add(np.arange(start, start + len(block)), block)
        tell(start + len(block))
    forest = Forest(len(rows))
    for start in range(0, len(rows), _PAGE):
        found = index.search(rows[start : start + _PAGE], _NEIGHBOURS)
        own = np.repeat(np.arange(start, start + len(found.keys)), found.keys.shape[1])
        other = found.keys.ravel().astype(np.int64)
        distance = np.nan_to_num(found.distances.ravel().astype(np.float32), nan=2.0)
        near = (own != other) & (distance <= 1 - similarity)
        low, high = np.minimum(own, other)[near], np.maximum(own, other)[near]
        forest.add(low, high, distance[near])
        tell(len(rows) + start + len(found.keys))
    left, right, apart = forest.edges()
    return left, right, (1 - apart).astype(np.float32)


def _decided(trunk: TrunkRef, ids: NDArray[np.int64], links: Links, similarity: float) -> Links:
    """Those of the candidate links that whole embeddings bear out, with their cosines."""
    left, right, _ = links
    kept: list[Links] = []
    for start in range(0, len(left), _PAGE):
        some = slice(start, start + _PAGE)
        wanted = np.unique(ids[np.concatenate((left[some], right[some]))])
        with read() as session:
            found, embeddings = read_embeddings(session, trunk.id, wanted.tolist())
        rows, order = unit_rows(embeddings), np.array(found, dtype=np.int64)
        one, other = (np.searchsorted(order, ids[side[some]]) for side in (left, right))
        cosine = np.einsum("ne,ne->n", rows[one], rows[other])
        holds = cosine >= similarity
        kept.append((left[some][holds], right[some][holds], cosine[holds].astype(np.float32)))
    if not kept:
        return links
    first, second, cosines = (np.concatenate(columns) for columns in zip(*kept, strict=True))
    return first, second, cosines
