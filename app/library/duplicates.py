"""Near duplicates by perceptual hash: finding them, grouping them, choosing the one that trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import Select, case, func, insert, select, union, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.core.clock import now
from app.core.database import id_rows
from app.imaging.measures import hash_chunks, phash_distance
from app.library.curation_models import NotDuplicate
from app.library.grouping import join
from app.library.models import DuplicateGroup, Image, ImageMeasure

NEAR_BITS: Final = 3
"""Hashes that differ in at most this many bits show the same picture; they share one of four 16-bit parts."""

_HASH_COLUMNS: Final = (ImageMeasure.hash_0, ImageMeasure.hash_1, ImageMeasure.hash_2, ImageMeasure.hash_3)


@dataclass(frozen=True, slots=True)
class Nearby:
    """Images found near some hashes, as (hash, image id), among those with ids up to `newest_id`."""

    newest_id: int
    pairs: tuple[tuple[int, int], ...]


def tells_something(phash: int) -> bool:
    """Whether a hash can be compared: a flat picture hashes to (nearly) nothing, whatever it shows."""
    return phash_distance(phash, 0) > NEAR_BITS


def find_near(session: Session, project_id: int, phashes: Sequence[int], *, above_id: int = 0) -> Nearby:
    """Images of the project whose hash lies within NEAR_BITS of one of `phashes`, from the four hash indexes."""
    newest_id = session.scalar(select(func.max(Image.id)).where(Image.project_id == project_id)) or 0
    wanted = sorted({phash for phash in phashes if tells_something(phash)})
    if not wanted or newest_id <= above_id:
        return Nearby(newest_id, ())
    by_part = zip(_HASH_COLUMNS, zip(*map(hash_chunks, wanted), strict=True), strict=True)
    rows = session.execute(
        union(*(_sharing(session, project_id, column, set(parts), above_id) for column, parts in by_part))
    )
    candidates = [(image_id, phash) for image_id, phash in rows if phash is not None]
    return Nearby(newest_id, tuple(_within_reach(wanted, candidates)))


def _sharing(
    session: Session, project_id: int, column: InstrumentedAttribute[int | None], parts: set[int], above_id: int
) -> Select[int, int | None]:
    """One image for each hash that shares a part: those of equal hash are in one group already."""
    image_id, sought = ImageMeasure.image_id, column.in_(id_rows(session, sorted(parts)))
    is_candidate = (ImageMeasure.project_id == project_id, sought, image_id > above_id)
    return select(func.min(image_id).label("id"), ImageMeasure.phash).where(*is_candidate).group_by(ImageMeasure.phash)


def _within_reach(wanted: list[int], candidates: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs (hash, image id) within NEAR_BITS, by blocks of candidates."""
    hashes = np.array(wanted, dtype=np.int64)
    found = []
    for start in range(0, len(candidates), 8192):
        block = candidates[start : start + 8192]
        theirs = np.array([phash for _, phash in block], dtype=np.int64)
        distances = np.bitwise_count((hashes[:, None] ^ theirs[None, :]).view(np.uint64))
        found += [(wanted[row], block[column][0]) for row, column in np.argwhere(distances <= NEAR_BITS)]
    return found


def group_new(
    session: Session, project_id: int, phash_by_image: Mapping[int, int], nearby: Nearby | None = None
) -> list[int]:
    """Join new images to what they duplicate, in the library and among themselves; returns the groups touched.

    `nearby` is what `find_near` found before the lock was taken; only what came since is looked up here.
    """
    phashes = list(phash_by_image.values())
    since = find_near(session, project_id, phashes, above_id=nearby.newest_id if nearby else 0)
    near: dict[int, list[int]] = {}
    for phash, image_id in (*(nearby.pairs if nearby else ()), *since.pairs):
        near.setdefault(phash, []).append(image_id)
    pairs = [
        (image_id, other)
        for image_id, phash in phash_by_image.items()
        for other in near.get(phash, [])
        if other != image_id
    ]
    return link(session, project_id, pairs)


def link(session: Session, project_id: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Join each pair of images into one duplicate group, except what a person parted; returns the groups touched."""
    if not pairs:
        return []

    def make_groups(firsts: list[int]) -> Sequence[int]:
        rows = [{"project_id": project_id, "created_at": now()} for _ in firsts]
        return session.scalars(insert(DuplicateGroup).returning(DuplicateGroup.id), rows).all()

    images = sorted({image_id for pair in pairs for image_id in pair})
    groups = join(
        session,
        column=Image.duplicate_group_id,
        table=DuplicateGroup,
        pairs=pairs,
        make_groups=make_groups,
        apart=parted(session, images),
    )
    elect_representatives(session, groups)
    return groups


def parted(session: Session, image_ids: list[int]) -> list[tuple[int, int]]:
    """What a person parted from these images or others of their groups: image ids, or negative ids of groups."""
    own = id_rows(session, image_ids)
    groups = select(Image.duplicate_group_id).where(Image.id.in_(own), Image.duplicate_group_id.is_not(None))
    near = select(Image.id).where(Image.id.in_(own) | Image.duplicate_group_id.in_(groups))
    low, high = aliased(Image), aliased(Image)
    rows = session.execute(
        select(low.id, low.duplicate_group_id, high.id, high.duplicate_group_id)
        .select_from(NotDuplicate)
        .join(low, low.id == NotDuplicate.low_id)
        .join(high, high.id == NotDuplicate.high_id)
        .where(NotDuplicate.low_id.in_(near) | NotDuplicate.high_id.in_(near))
    )
    return [
        (-low_group if low_group else low_id, -high_group if high_group else high_id)
        for low_id, low_group, high_id, high_group in rows
    ]


def elect_representatives(session: Session, groups: list[int]) -> None:
    """In each group mark the one image that stands for it.

    One that is not removed, then the one that a person chose, then labelled, good, largest, sharpest, oldest.
    """
    if not groups:
        return
    inside = Image.duplicate_group_id.in_(id_rows(session, groups))
    chosen = select(DuplicateGroup.representative_id).where(DuplicateGroup.id == Image.duplicate_group_id)
    order = (
        case((Image.state == "removed", 1), else_=0),
        case((Image.id == chosen.scalar_subquery(), 0), else_=1),
        case((Image.state == "labelled", 0), else_=1),
        case((func.coalesce(Image.quality, "good") == "good", 0), else_=1),
        (Image.width * Image.height).desc(),
        Image.sharpness.desc(),
        Image.id,
    )
    place = func.row_number().over(partition_by=Image.duplicate_group_id, order_by=order)
    ranked = select(Image.id, place.label("place")).where(inside).subquery()
    first = Image.id.in_(select(ranked.c.id).where(ranked.c.place == 1))
    session.execute(
        update(Image).where(inside, Image.is_representative != first).values(is_representative=first),
        execution_options={"synchronize_session": False},
    )


def conflicting_groups(session: Session, project_id: int, *, limit: int = 50, before: int | None = None) -> list[int]:
    """Duplicate groups whose members carry different classes: label errors to settle. Newest first, by id."""
    query = (
        select(Image.duplicate_group_id)
        .where(Image.project_id == project_id, Image.duplicate_group_id.is_not(None), Image.class_id.is_not(None))
        .group_by(Image.duplicate_group_id)
        .having(func.count(Image.class_id.distinct()) > 1)
        .order_by(Image.duplicate_group_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Image.duplicate_group_id < before)
    return [group for group in session.scalars(query) if group is not None]
