"""The index over the shards: which image's embedding lies where, what is missing, reading in the order asked.

An embedding holds for the rotation it was computed with: a turned image has none until it is computed anew. A shard
that proves damaged loses its index rows, so that its images are simply missing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows, insert_into, read, write
from app.core.logging import get_logger
from app.core.storage import Place, get_storage
from app.embeddings.models import Embedding, EmbeddingShard
from app.embeddings.shards import SUFFIX, ShardDamaged, open_shard, to_half, to_single, write_shard
from app.library.models import Image
from app.registry.queries import get_trunk
from app.registry.schemas import TrunkRef

log = get_logger(__name__)
ORPHAN_AGE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Source:
    """An image to embed: its model rendition, and the rotation that the embedding will hold for."""

    image_id: int
    rotation: int
    place: Place


def missing(session: Session, trunk_id: int, image_ids: Sequence[int]) -> list[Source]:
    """Those of the images that have a rendition and no embedding for their present rotation, in the order given."""
    has_one = exists().where(
        Embedding.trunk_id == trunk_id, Embedding.image_id == Image.id, Embedding.rotation == Image.rotation
    )
    found = {
        row.id: Source(row.id, row.rotation, Place(row.rendition_pack, row.rendition_offset, row.rendition_length))
        for row in session.execute(
            select(
                Image.id,
                Image.rotation,
                Image.rendition_pack,
                Image.rendition_offset,
                Image.rendition_length,
            ).where(Image.id.in_(id_rows(session, list(image_ids))), Image.rendition_pack.is_not(None), ~has_one)
        )
    }
    return [found[image_id] for image_id in image_ids if image_id in found]


def add(trunk: TrunkRef, keys: Sequence[tuple[int, int]], embeddings: NDArray[np.float32]) -> None:
    """Store float32 (N, E) for `keys` (image_id, rotation): one shard file, then one transaction.

    Repeating it, or two workers at once, does no harm: what an image already has for this rotation stays. Raises
    EmbeddingRefused.
    """
    if not keys:
        return
    name = write_shard(trunk, to_half(embeddings))
    with write() as session:
        shard_id = session.scalars(
            insert(EmbeddingShard).returning(EmbeddingShard.id),
            {
                "trunk_id": trunk.id,
                "name": name,
                "rows": len(keys),
                "width": trunk.width,
                "created_at": now(),
            },
        ).one()
        rows = [
            {
                "trunk_id": trunk.id,
                "image_id": image_id,
                "rotation": rotation,
                "shard_id": shard_id,
                "row": row,
            }
            for row, (image_id, rotation) in enumerate(keys)
        ]
        statement = insert_into(session, Embedding)
        replaced = {name: statement.excluded[name] for name in ("rotation", "shard_id", "row")}
        session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=["trunk_id", "image_id"],
                set_=replaced,
                where=Embedding.rotation != statement.excluded["rotation"],
            ),
            sorted(rows, key=lambda row: row["image_id"]),
        )


def read_embeddings(session: Session, trunk_id: int, image_ids: Sequence[int]) -> tuple[list[int], NDArray[np.float32]]:
    """(ids, float32 (N, E)) for those of `image_ids` that have an embedding, in the order asked.

    `session` is one for reading. A damaged shard loses its index rows here; its images are left out.
    """
    found, halves = read_halves(session, get_trunk(session, trunk_id), image_ids)
    return found, to_single(halves)


def read_halves(session: Session, trunk: TrunkRef, image_ids: Sequence[int]) -> tuple[list[int], NDArray[np.float16]]:
    """What `read_embeddings` gives, as it is stored: float16 (N, E)."""
    asked = np.asarray(list(dict.fromkeys(image_ids)), dtype=np.int64)
    placed = _placed(session, trunk.id, asked)
    nearest = np.minimum(np.searchsorted(placed[:, 0], asked), max(0, len(placed) - 1))
    placed = placed[nearest[placed[nearest, 0] == asked]] if len(placed) else placed
    shards = _open_shards(session, trunk, np.unique(placed[:, 1]).tolist())
    placed = placed[np.isin(placed[:, 1], list(shards))]
    gathered = np.empty((len(placed), trunk.width), dtype=np.float16)
    for shard_id, rows in shards.items():
        inside = np.flatnonzero(placed[:, 1] == shard_id)
        gathered[inside] = rows[placed[inside, 2]]
    return placed[:, 0].tolist(), gathered


def _placed(session: Session, trunk_id: int, image_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """(image, shard, row) int64 (N, 3) by ascending image, of those that have an embedding for their rotation."""
    query = (
        select(Embedding.image_id, Embedding.shard_id, Embedding.row)
        .join(Image, Image.id == Embedding.image_id)
        .where(
            Embedding.trunk_id == trunk_id,
            Embedding.rotation == Image.rotation,
            Embedding.image_id.in_(id_rows(session, image_ids.tolist())),
        )
    )
    rows = session.connection().execute(query).all()
    placed = np.fromiter(chain.from_iterable(rows), np.int64, 3 * len(rows)).reshape(-1, 3)
    return placed[np.argsort(placed[:, 0])]


def _open_shards(session: Session, trunk: TrunkRef, shard_ids: list[int]) -> dict[int, NDArray[np.float16]]:
    """The rows of these shards, mapped, but for damaged ones."""
    query = select(EmbeddingShard.id, EmbeddingShard.name, EmbeddingShard.rows)
    opened: dict[int, NDArray[np.float16]] = {}
    for shard_id, name, rows in session.execute(query.where(EmbeddingShard.id.in_(id_rows(session, shard_ids)))):
        try:
            opened[shard_id] = open_shard(trunk, name, rows=rows)
        except ShardDamaged as damage:
            forget_shard(shard_id, reason=damage.message)
    return opened


def forget_shard(shard_id: int, *, reason: str) -> None:
    """Drop a damaged shard's index rows, so that its images are computed again; `sweep_orphans` takes the file."""
    with write() as session:
        lost = session.connection().execute(delete(Embedding).where(Embedding.shard_id == shard_id)).rowcount
        session.execute(delete(EmbeddingShard).where(EmbeddingShard.id == shard_id))
    log.warning("embedding shard dropped; its images will be embedded again", reason=reason, images=lost)


def sweep_orphans(*, older_than: timedelta = ORPHAN_AGE) -> int:
    """Remove shards that no row points to, and files that no shard row names. Returns how many files went.

    Both must be older than `older_than`: a shard is written before its rows are.
    """
    before = now() - older_than
    with write() as session:
        session.execute(
            delete(EmbeddingShard).where(
                EmbeddingShard.created_at < before,
                ~exists().where(Embedding.shard_id == EmbeddingShard.id),
            )
        )
    root = get_storage().root / "embeddings"
    old = [path for path in root.glob("*/*/*") if path.stat().st_mtime < before.timestamp()]
    with read() as session:
        known = set(session.scalars(select(EmbeddingShard.name)))
    orphans = [path for path in old if path.name not in known and _is_ours(path)]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def _is_ours(path: Path) -> bool:
    return path.name.endswith((SUFFIX, f"{SUFFIX}.part")) or (path.name.startswith(".") and path.suffix == ".part")
