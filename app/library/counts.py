"""The kept counts of images by class, state and origin, and the full count they must equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.database import is_sqlite
from app.library.models import Image, ImageCount


class CountKey(NamedTuple):
    """What is counted: class (0: none), state and origin."""

    class_id: int
    state: str
    origin: str


def count_images(session: Session, *conditions: ColumnElement[bool]) -> Counter[CountKey]:
    """Count the images that meet the conditions, by reading them."""
    key = (func.coalesce(Image.class_id, 0), Image.state, Image.origin)
    rows = session.execute(select(*key, func.count()).where(*conditions).group_by(*key))
    return Counter({CountKey(class_id, state, origin): images for class_id, state, origin, images in rows})


def recount(session: Session, project_id: int) -> Counter[CountKey]:
    """What a full count of the project says: the truth that `kept_counts` must equal."""
    return count_images(session, Image.project_id == project_id)


def kept_counts(session: Session, project_id: int) -> Counter[CountKey]:
    """The counts kept beside the images; combinations without an image are left out."""
    rows = session.execute(
        select(ImageCount.class_id, ImageCount.state, ImageCount.origin, ImageCount.images).where(
            ImageCount.project_id == project_id, ImageCount.images != 0
        )
    )
    return Counter({CountKey(class_id, state, origin): images for class_id, state, origin, images in rows})


def shift_counts(session: Session, project_id: int, changes: Mapping[CountKey, int]) -> None:
    """Add the changes (may be negative) to the kept counts, in the transaction that changes the images."""
    rows = [
        {"project_id": project_id, **key._asdict(), "images": change}
        for key, change in sorted(changes.items())  # One order for all writers, so that two cannot deadlock.
        if change
    ]
    if not rows:
        return
    keys = [ImageCount.project_id, ImageCount.class_id, ImageCount.state, ImageCount.origin]
    if is_sqlite(session):
        lite = sqlite.insert(ImageCount).values(rows)
        session.execute(
            lite.on_conflict_do_update(index_elements=keys, set_={"images": ImageCount.images + lite.excluded.images})
        )
        return
    full = postgresql.insert(ImageCount).values(rows)
    session.execute(
        full.on_conflict_do_update(index_elements=keys, set_={"images": ImageCount.images + full.excluded.images})
    )
