"""The only ways to add and change images: both keep the counts and the representatives right, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows, is_sqlite
from app.core.errors import NotFound
from app.imaging.measures import hash_chunks
from app.library.counts import CountKey, shift_counts
from app.library.duplicates import elect_representatives
from app.library.models import Image, ImageMeasure, ImportBatch, LabelConflict
from app.library.moves import Standing, tell_followers
from app.library.names import index_names

HASHES: Final = ("hash_0", "hash_1", "hash_2", "hash_3")
_MEASURED: Final = tuple(column.name for column in ImageMeasure.__table__.columns if column.name != "image_id")
_COUNTED: Final = frozenset({"state", "class_id", "origin"})
_KEY: Final = (Image.id, Image.class_id, Image.state, Image.origin)
_RANKED: Final = frozenset({"state", "quality"})


def insert_images(session: Session, project_id: int, rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Insert images (columns by name, `sha256` among them, without `project_id`); returns id by digest."""
    if not rows:
        return {}
    complete = [{**row, **_derived(row), "project_id": project_id} for row in rows]
    images = [{name: value for name, value in row.items() if name not in HASHES} for row in complete]
    ids = {
        digest: image_id
        for image_id, digest in session.execute(insert(Image).returning(Image.id, Image.sha256), images)
    }
    added = Counter(
        CountKey(row.get("class_id") or 0, row.get("state", "pool"), row.get("origin", "real")) for row in rows
    )
    shift_counts(session, project_id, added)
    measures = [{name: row.get(name) for name in _MEASURED} | {"image_id": ids[row["sha256"]]} for row in complete]
    session.execute(insert(ImageMeasure), measures)
    index_names(session, project_id, {ids[row["sha256"]]: row["file_name"] for row in rows})
    return ids


def _derived(row: dict[str, Any]) -> dict[str, Any]:
    width, height, phash = row.get("width"), row.get("height"), row.get("phash")
    shape = {"short_side": min(width, height), "aspect": width / height} if width and height else {}
    return shape | (dict(zip(HASHES, hash_chunks(phash), strict=True)) if phash is not None else {})


def change_images(
    session: Session,
    image_ids: Select[int] | list[int],
    *,
    project_id: int,
    joined_by: ColumnElement[bool] | None = None,
    **values: Any,
) -> int:
    """Set columns of many images at once; returns how many images of the project there were.

    The only way to change state, class or origin. Values may be SQL expressions over the image, and over the one row of
    another table that `joined_by` ties to it. Representatives of duplicate groups follow a change of state or quality.
    """
    before = _locked(session, image_ids, project_id)
    ids = list(before)
    chosen = Image.id.in_(id_rows(session, ids))
    changed = update(Image).where(chosen) if joined_by is None else update(Image).where(chosen, joined_by)
    session.execute(changed.values(**values), execution_options={"synchronize_session": False})
    if _COUNTED & values.keys():
        after = _keys(session, select(*_KEY).where(chosen))
        counts = Counter(after.values())
        counts.subtract(Counter(before.values()))
        shift_counts(session, project_id, counts)
        tell_followers(session, project_id, _standings(before), _standings(after))
    if _RANKED & values.keys():
        groups = select(Image.duplicate_group_id).where(chosen, Image.duplicate_group_id.is_not(None)).distinct()
        elect_representatives(session, [group for group in session.scalars(groups) if group is not None])
    return len(ids)


def _locked(session: Session, image_ids: Select[int] | list[int], project_id: int) -> dict[int, CountKey]:
    """The images of this project, as values: a condition on what is about to change must not be asked twice."""
    wanted = id_rows(session, image_ids) if isinstance(image_ids, list) else image_ids
    query = select(*_KEY).where(Image.project_id == project_id, Image.id.in_(wanted)).order_by(Image.id)
    return _keys(session, query if is_sqlite(session) else query.with_for_update())


def _keys(session: Session, query: Select[*tuple[Any, ...]]) -> dict[int, CountKey]:
    return {
        image_id: CountKey(class_id or 0, state, origin) for image_id, class_id, state, origin in session.execute(query)
    }


def _standings(keys: Mapping[int, CountKey]) -> dict[int, Standing]:
    return {image_id: Standing(key.state, key.origin) for image_id, key in keys.items()}


def get_image(session: Session, image_id: int, project_id: int) -> Image:
    """An image of this project. Raises NotFound."""
    image = session.scalar(select(Image).where(Image.id == image_id, Image.project_id == project_id))
    if image is None:
        raise NotFound(f"no image {image_id} in this project")
    return image


def get_batch(session: Session, batch_id: int, project_id: int) -> ImportBatch:
    """An import of this project. Raises NotFound."""
    batch = session.scalar(select(ImportBatch).where(ImportBatch.id == batch_id, ImportBatch.project_id == project_id))
    if batch is None:
        raise NotFound(f"no import {batch_id} in this project")
    return batch


def settle_conflict(session: Session, conflict_id: int, *, project_id: int, user_id: int) -> int:
    """Close a label conflict in favour of the label the image carries now; returns the image's id. Raises NotFound."""
    image_id: int | None = session.scalar(
        update(LabelConflict)
        .where(LabelConflict.id == conflict_id, LabelConflict.project_id == project_id)
        .where(LabelConflict.settled_at.is_(None))
        .values(settled_at=now(), settled_by=user_id)
        .returning(LabelConflict.image_id)
    )
    if image_id is None:
        raise NotFound(f"no open conflict {conflict_id} in this project")
    return image_id
