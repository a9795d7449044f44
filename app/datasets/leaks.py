"""Images that leaked: on the measured side of a group whose other side trains. They are retired from measuring."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from app.labelling.models import LabelClass
from app.library.models import Image

_SIDES = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class LeakedImage:
    """A leaked image, the split it was drawn for, and an image of its group that stays where it is."""

    image_id: int
    class_name: str | None
    split: str
    rotation: int
    has_picture: bool
    mate_id: int | None
    mate_split: str | None


def leaked_images(session: Session, project_id: int, *, after: int | None = None, limit: int = 60) -> list[LeakedImage]:
    """Leaked images by ascending id; `after` is the id that ended the page before.

    The mate is of the image's own duplicate or capture group; None where only a chain of groups links the two.
    """
    statement = (
        select(Image, LabelClass.name)
        .outerjoin(LabelClass, LabelClass.id == Image.class_id)
        .where(Image.project_id == project_id, Image.leaked)
    )
    if after is not None:
        statement = statement.where(Image.id > after)
    found = session.execute(statement.order_by(Image.id).limit(limit)).all()
    return [_shown(session, image, name) for image, name in found]


def _shown(session: Session, image: Image, class_name: str | None) -> LeakedImage:
    mate = aliased(Image)
    same_group = or_(
        *(
            column == number
            for column, number in (
                (mate.duplicate_group_id, image.duplicate_group_id),
                (mate.capture_group_id, image.capture_group_id),
            )
            if number is not None
        )
    )
    other = None
    if image.duplicate_group_id is not None or image.capture_group_id is not None:
        others = select(mate.id, mate.split).where(same_group, mate.split.is_not(None), mate.split != image.split)
        rows = session.execute(others.order_by(mate.id).limit(20)).all()
        other = min(rows, key=lambda row: (_SIDES[row.split], row.id), default=None)
    return LeakedImage(
        image_id=image.id,
        class_name=class_name,
        split=image.split or "",
        rotation=image.rotation,
        has_picture=image.thumbnail_pack is not None,
        mate_id=other.id if other else None,
        mate_split=other.split if other else None,
    )
