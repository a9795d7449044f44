"""The images of a snapshot as it froze them, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.datasets.models import Snapshot, SnapshotClass, SnapshotImage
from app.labelling.models import LabelClass, SubClass
from app.library.models import Image
from app.registry.models import ModelVersion


@dataclass(frozen=True, slots=True)
class FrozenImage:
    """An image with what a snapshot says of it, and how it looks today."""

    image_id: int
    class_id: int
    class_name: str
    sub_class: str | None
    split: str
    why: str
    rotation: int
    has_picture: bool
    origin: str
    state: str


def with_pictures(found: Select[Any], side: Any) -> Select[Any]:
    """A statement over snapshot images `side`, with the columns that `as_frozen` reads."""
    return (
        found.with_only_columns(
            side.image_id,
            side.class_id,
            func.coalesce(SnapshotClass.name, LabelClass.name),
            SubClass.name,
            side.split,
            side.why,
            side.rotation,
            Image.thumbnail_pack,
            Image.origin,
            Image.state,
        )
        .join(Image, Image.id == side.image_id)
        .join(LabelClass, LabelClass.id == side.class_id)
        .outerjoin(
            SnapshotClass,
            (SnapshotClass.snapshot_id == side.snapshot_id) & (SnapshotClass.class_id == side.class_id),
        )
        .outerjoin(SubClass, SubClass.id == side.sub_class_id)
    )


def as_frozen(row: Sequence[Any]) -> FrozenImage:
    """A row of `with_pictures`."""
    image_id, class_id, name, sub_class, split, why, rotation, pack, origin, state = row
    return FrozenImage(image_id, class_id, name, sub_class, split, why, rotation, pack is not None, origin, state)


def snapshot_images(
    session: Session,
    snapshot_id: int,
    *,
    class_id: int | None = None,
    sub_class_id: int | None = None,
    split: str | None = None,
    after: int | None = None,
    limit: int = 60,
) -> list[FrozenImage]:
    """Images of a snapshot by ascending id; `after` is the id that ended the page before."""
    found = select(SnapshotImage.image_id).where(SnapshotImage.snapshot_id == snapshot_id)
    for column, value in (
        (SnapshotImage.class_id, class_id),
        (SnapshotImage.sub_class_id, sub_class_id),
        (SnapshotImage.split, split),
    ):
        if value is not None:
            found = found.where(column == value)
    if after is not None:
        found = found.where(SnapshotImage.image_id > after)
    rows = session.execute(with_pictures(found, SnapshotImage).order_by(SnapshotImage.image_id).limit(limit))
    return [as_frozen(row) for row in rows]


def count_by_why(session: Session, snapshot_id: int) -> list[tuple[str, int]]:
    """How many images were taken for each reason, the most frequent first."""
    counted = (
        select(SnapshotImage.why, func.count())
        .where(SnapshotImage.snapshot_id == snapshot_id)
        .group_by(SnapshotImage.why)
        .order_by(func.count().desc(), SnapshotImage.why)
    )
    return [(why, images) for why, images in session.execute(counted)]


def versions_of(session: Session, snapshot_id: int) -> list[int]:
    """Numbers of the model versions that were made from a snapshot."""
    numbers = select(ModelVersion.number).where(ModelVersion.snapshot_id == snapshot_id)
    return list(session.scalars(numbers.order_by(ModelVersion.number)))


def snapshot_ids(session: Session, project_id: int, *, limit: int = 200) -> list[int]:
    """Ids of the newest snapshots, for a choice."""
    own = select(Snapshot.id).where(Snapshot.project_id == project_id)
    return list(session.scalars(own.order_by(Snapshot.id.desc()).limit(limit)))
