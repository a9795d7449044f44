"""The index over the shards: which image's embedding lies where, what is missing, reading in the order asked.

An embedding holds for the rotation it was computed with: a turned image has none until it is computed anew. A shard
that proves damaged loses its index rows, so that its images are simply missing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
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
from app.embeddings.shards import SUFFIX, ShardDamaged, open_shard, to_half, write_shard
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


@dataclass(frozen=True, slots=True)
class _Row:
    image_id: int
    shard_id: int
    row: int
    name: str
    rows: int


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
    trunk = get_trunk(session, trunk_id)
    placed = _rows(session, trunk_id, image_ids)
    by_shard: dict[int, list[_Row]] = {}
    for row in placed.values():
        by_shard.setdefault(row.shard_id, []).append(row)
    maps = {shard_id: _open_or_forget(trunk, rows[0]) for shard_id, rows in by_shard.items()}
    ids = [
        image_id
        for image_id in dict.fromkeys(image_ids)
        if image_id in placed and maps[placed[image_id].shard_id] is not None
    ]
    position = {image_id: index for index, image_id in enumerate(ids)}
    gathered = np.empty((len(ids), trunk.width), dtype=np.float32)
    for shard_id, mapped in maps.items():
        if mapped is not None:
            rows = by_shard[shard_id]
            gathered[[position[row.image_id] for row in rows]] = mapped[[row.row for row in rows]]
    return ids, gathered


def _rows(session: Session, trunk_id: int, image_ids: Sequence[int]) -> dict[int, _Row]:
    return {
        row.image_id: _Row(*row)
        for row in session.execute(
            select(
                Embedding.image_id,
                Embedding.shard_id,
                Embedding.row,
                EmbeddingShard.name,
                EmbeddingShard.rows,
            )
            .join(EmbeddingShard, EmbeddingShard.id == Embedding.shard_id)
            .join(Image, Image.id == Embedding.image_id)
            .where(
                Embedding.trunk_id == trunk_id,
                Embedding.rotation == Image.rotation,
                Embedding.image_id.in_(id_rows(session, list(image_ids))),
            )
        )
    }


def _open_or_forget(trunk: TrunkRef, row: _Row) -> NDArray[np.float16] | None:
    try:
        return open_shard(trunk, row.name, rows=row.rows)
    except ShardDamaged as damage:
        forget_shard(row.shard_id, reason=damage.message)
        return None


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
