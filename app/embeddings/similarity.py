"""Nearest neighbours by cosine over the embeddings of the project's reference trunk: exact, no index to keep.

usearch scans the mapped shards where they lie (about 0.2 s for a million rows of 1,280), so nothing is copied into the
process; SQL is asked only about the best rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.embeddings.exact import nearest_rows
from app.embeddings.models import Embedding, EmbeddingShard
from app.embeddings.shards import ShardDamaged, open_shard
from app.embeddings.states import EMBEDDED_STATES
from app.embeddings.store import forget_shard, read_embeddings
from app.library.filters import ImageFilter
from app.library.models import Image
from app.registry.queries import reference_trunk
from app.registry.schemas import TrunkRef

_WIDEN = 4
_PAIRS_PER_QUERY = 500
MOST_HITS = 65_536


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An image and its cosine similarity to the one asked about: 1 the same direction, 0 unrelated."""

    image_id: int
    similarity: float


@dataclass(frozen=True, slots=True)
class _Hit:
    """One row of one shard."""

    shard_id: int
    row: int
    similarity: float


def nearest(session: Session, project_id: int, image_id: int, k: int) -> list[Neighbour]:
    """The `k` images of the project nearest to this one, itself left out, removed images too; best first.

    Empty where there is no reference trunk or the image has no embedding yet. `session` is one for reading.
    """
    trunk = reference_trunk(session, project_id)
    if trunk is None:
        return []
    found, query = read_embeddings(session, trunk.id, [image_id])
    if not found:
        return []
    neighbours = nearest_to(session, project_id, trunk, query[0], k + 1)
    return [neighbour for neighbour in neighbours if neighbour.image_id != image_id][:k]


def nearest_to(
    session: Session,
    project_id: int,
    trunk: TrunkRef,
    query: NDArray[np.float32],
    k: int,
    *,
    among: ImageFilter | None = None,
    without: frozenset[int] = frozenset(),
) -> list[Neighbour]:
    """The `k` images of the project nearest to an embedding (E,), best first, `without` some.

    A shard's rows may be stale, another project's, or not match `among`: the search widens until enough hits count, up
    to MOST_HITS rows.
    """
    shards = _open_shards(session, trunk)
    total = sum(len(rows) for rows in shards.values())
    wanted = k + len(without)
    while True:
        hits = _search_all(shards, query, wanted)
        neighbours = _current(session, project_id, trunk.id, hits, among)
        neighbours = [neighbour for neighbour in neighbours if neighbour.image_id not in without]
        if len(neighbours) >= k or wanted >= min(total, MOST_HITS):
            return neighbours[:k]
        wanted = min(wanted * _WIDEN, MOST_HITS)


def _open_shards(session: Session, trunk: TrunkRef) -> dict[int, NDArray[np.float16]]:
    opened: dict[int, NDArray[np.float16]] = {}
    for shard_id, name, rows in session.execute(
        select(EmbeddingShard.id, EmbeddingShard.name, EmbeddingShard.rows).where(EmbeddingShard.trunk_id == trunk.id)
    ):
        try:
            opened[shard_id] = open_shard(trunk, name, rows=rows)
        except ShardDamaged as damage:
            forget_shard(shard_id, reason=damage.message)
    return opened


def _search_all(shards: dict[int, NDArray[np.float16]], query: NDArray[np.float32], wanted: int) -> list[_Hit]:
    """The best `wanted` rows over all shards, best first."""
    hits: list[_Hit] = []
    for shard_id, rows in shards.items():
        found, similarities = nearest_rows(rows, query, wanted)
        hits += [_Hit(shard_id, row, similarity) for row, similarity in zip(found, similarities, strict=True)]
    return sorted(hits, key=lambda hit: (-hit.similarity, hit.shard_id, hit.row))[:wanted]


def _current(
    session: Session, project_id: int, trunk_id: int, hits: list[_Hit], among: ImageFilter | None
) -> list[Neighbour]:
    """Those hits that are a visible image's present embedding and match, best first."""
    conditions = among.conditions() if among else []
    images: dict[tuple[int, int], int] = {}
    for start in range(0, len(hits), _PAIRS_PER_QUERY):
        page = hits[start : start + _PAIRS_PER_QUERY]
        rows = session.execute(
            select(Embedding.shard_id, Embedding.row, Embedding.image_id)
            .join(Image, Image.id == Embedding.image_id)
            .where(
                tuple_(Embedding.shard_id, Embedding.row).in_([(hit.shard_id, hit.row) for hit in page]),
                Embedding.trunk_id == trunk_id,
                Embedding.rotation == Image.rotation,
                Image.project_id == project_id,
                Image.state.in_(EMBEDDED_STATES),
                *conditions,
            )
        )
        images |= {(shard_id, row): image_id for shard_id, row, image_id in rows}
    return [
        Neighbour(images[hit.shard_id, hit.row], hit.similarity) for hit in hits if (hit.shard_id, hit.row) in images
    ]
