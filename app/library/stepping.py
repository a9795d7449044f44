"""Walking through a filtered list image by image: who stands next to an image, and where in the list it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.library.filters import ImageFilter
from app.library.matching import look
from app.library.models import Image
from app.library.queries import COUNT_CAP

MOST_FRAMES: Final = 60


@dataclass(frozen=True, slots=True)
class Around:
    """Images of a list around one of them, newest first; whether the list goes on at either end."""

    images: Sequence[Image]
    has_newer: bool
    has_older: bool


def around(session: Session, project_id: int, chosen: ImageFilter, image_id: int, *, count: int) -> Around:
    """Up to `count` images on either side of one, and that one itself, whether or not it matches."""
    newer = look(session, project_id, chosen, wanted=count + 1, above=image_id, has_budget=False)
    older = look(session, project_id, chosen, wanted=count + 1, below=image_id, has_budget=False)
    ids = [*newer.ids[:count][::-1], image_id, *older.ids[:count]]
    return Around(images_by_id(session, project_id, ids), len(newer.ids) > count, len(older.ids) > count)


def images_by_id(session: Session, project_id: int, ids: Sequence[int]) -> list[Image]:
    """Images of the project in the order of their ids as given; what is not of the project is left out."""
    query = select(Image).where(Image.id.in_(id_rows(session, list(ids))), Image.project_id + 0 == project_id)
    found = {image.id: image for image in session.scalars(query)}
    return [found[image_id] for image_id in ids if image_id in found]


def position(session: Session, project_id: int, chosen: ImageFilter, image_id: int) -> int | None:
    """The image's place in the list, from 1; None beyond COUNT_CAP, or where finding out would take long."""
    newer = look(session, project_id, chosen, wanted=COUNT_CAP, above=image_id)
    return len(newer.ids) + 1 if len(newer.ids) < COUNT_CAP and newer.reached is None else None
