"""Pool images that a student learns from by its teacher's answers.

They train, so they are on training's side for ever, whatever label they get later; and what learnt from them is exposed
to them, should they become benchmark images.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, exists, func, insert, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.core.database import id_rows, read, write
from app.datasets.models import TaughtImage
from app.library.models import Image, ImageState

_CHUNK: Final = 1000
_OTHER_SIDES: Final = ("validation", "test")


def take_from_pool(project_id: int, *, run_id: int, snapshot_id: int, most: int) -> list[int]:
    """Up to `most` pool images for a run, the newest first, ascending by id; a repeated call gives the same ones.

    Left out is what is not good, what is in a benchmark set or measures, and what is linked to such an image by a
    duplicate or capture group. Each chunk is one short transaction.
    """
    with read() as session:
        taken = set(session.scalars(select(TaughtImage.image_id).where(TaughtImage.run_id == run_id)))
    before: int | None = min(taken, default=None)
    while len(taken) < most:
        with write() as session:
            query = select(Image.id).where(*_may_teach(project_id)).order_by(Image.id.desc())
            if before is not None:
                query = query.where(Image.id < before)
            chunk = list(session.scalars(query.limit(min(_CHUNK, most - len(taken)))))
            if not chunk:
                break
            session.execute(update(Image).where(Image.id.in_(id_rows(session, chunk))).values(split="train"))
            session.execute(
                insert(TaughtImage),
                [{"run_id": run_id, "snapshot_id": snapshot_id, "image_id": image_id} for image_id in chunk],
            )
        taken.update(chunk)
        before = chunk[-1]
    return sorted(taken)


def rotations_of(session: Session, image_ids: list[int]) -> dict[int, int]:
    """Quarter turns that a reviewer gave, in degrees, by image."""
    rows = session.execute(select(Image.id, Image.rotation).where(Image.id.in_(id_rows(session, image_ids))))
    return {row.id: row.rotation for row in rows}


def taught_images(session: Session, run_id: int) -> int:
    """How many pool images a run learns from."""
    return session.scalar(select(func.count()).where(TaughtImage.run_id == run_id)) or 0


def _may_teach(project_id: int) -> list[ColumnElement[bool]]:
    return [
        Image.project_id == project_id,
        Image.state == ImageState.POOL,
        Image.quality.is_(None),
        Image.is_small_subject.is_(False),
        Image.in_benchmark.is_(False),
        or_(Image.split.is_(None), Image.split == "train"),
        ~_linked_elsewhere("duplicate_group_id", Image.duplicate_group_id),
        ~_linked_elsewhere("capture_group_id", Image.capture_group_id),
    ]


def _linked_elsewhere(name: str, group: InstrumentedAttribute[int | None]) -> ColumnElement[bool]:
    """Whether the image shares the group with one that measures."""
    other = aliased(Image)
    return exists().where(
        getattr(other, name) == group, or_(other.in_benchmark.is_(True), other.split.in_(_OTHER_SIDES))
    )
