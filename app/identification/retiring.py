"""Retiring staged and synthetic images: real ones have come, so they no longer count as usable, nor train.

They stay in the library with their labels, and one act brings them back. Snapshots choose real images first anyway
(`datasets/choosing.py`); retiring takes the others out of what cutoffs count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, case, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.core.errors import Conflict, InvalidInput, NotFound
from app.identification.act_models import RetiredImage, Retirement
from app.identification.act_schemas import MOST_RETIRED
from app.labelling.classes import get_class
from app.labelling.models import LabelClass, LabelEvent
from app.library.models import Image, ImageState, Origin
from app.library.service import change_images

_MADE_UP = (Origin.STAGED, Origin.SYNTHETIC)


@dataclass(frozen=True, slots=True)
class Offer:
    """So many real images of a class came; as many staged or synthetic ones can retire, of `left` that it has."""

    class_id: int
    name: str
    accepted: int
    left: int

    @property
    def count(self) -> int:
        """How many to retire."""
        return min(self.accepted, self.left)


@dataclass(frozen=True, slots=True)
class RetirementLine:
    """A retirement as the class's page lists it."""

    id: int
    images: int
    by: str | None
    created_at: datetime
    undone_at: datetime | None


def _retirable(project_id: int, class_id: int) -> Select[int]:
    """The made-up images of a class that count: synthetic ones first, then the unreviewed, then the oldest."""
    is_usable = and_(
        Image.state == ImageState.LABELLED,
        ~Image.is_retired,
        ~Image.in_benchmark,
        or_(Image.quality.is_(None), Image.quality == "good"),
    )
    return (
        select(Image.id)
        .where(Image.project_id == project_id, Image.class_id == class_id, Image.origin.in_(_MADE_UP), is_usable)
        .order_by(case((Image.origin == Origin.SYNTHETIC, 0), else_=1), Image.is_reviewed, Image.id)
    )


def retirable(session: Session, project_id: int, class_id: int) -> int:
    """How many staged or synthetic images of a class could retire, counted up to MOST_RETIRED."""
    some = _retirable(project_id, class_id).order_by(None).limit(MOST_RETIRED).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0


def retire(session: Session, *, project_id: int, class_id: int, count: int, user_id: int) -> Retirement:
    """Retire `count` staged or synthetic images of a class as one act, synthetic ones first.

    Raises NotFound for another project's class, InvalidInput where the class has fewer. Needs a write session.
    """
    found = get_class(session, project_id=project_id, class_id=class_id)
    image_ids = list(session.scalars(_retirable(project_id, class_id).limit(count)))
    if len(image_ids) < count:
        raise InvalidInput(f"{found.name} has {len(image_ids)} staged or synthetic images that count; received {count}")
    made = Retirement(
        project_id=project_id, class_id=class_id, user_id=user_id, images=len(image_ids), created_at=now()
    )
    session.add(made)
    session.flush()
    rows = [{"retirement_id": made.id, "image_id": image_id} for image_id in sorted(image_ids)]
    session.connection().execute(insert(RetiredImage), rows)
    change_images(session, image_ids, project_id=project_id, is_retired=True)
    return made


def undo_retirement(session: Session, retirement_id: int, *, project_id: int, user_id: int) -> Retirement:
    """Bring the images of a retirement back; they count as usable again. Raises NotFound, Conflict (undone already)."""
    marked = session.scalar(
        update(Retirement)
        .where(Retirement.id == retirement_id, Retirement.project_id == project_id, Retirement.undone_at.is_(None))
        .values(undone_at=now(), undone_by=user_id)
        .returning(Retirement.id)
    )
    if marked is None:
        known = select(Retirement.id).where(Retirement.id == retirement_id, Retirement.project_id == project_id)
        if session.scalar(known) is None:
            raise NotFound(f"no retirement {retirement_id} in this project")
        raise Conflict("this is undone already")
    images = session.scalars(select(RetiredImage.image_id).where(RetiredImage.retirement_id == retirement_id)).all()
    change_images(session, list(images), project_id=project_id, is_retired=False)
    return session.get_one(Retirement, retirement_id, populate_existing=True)


def retirements(session: Session, project_id: int, class_id: int, *, limit: int = 10) -> list[RetirementLine]:
    """A class's retirements, newest first."""
    rows = session.execute(
        select(Retirement.id, Retirement.images, User.name, Retirement.created_at, Retirement.undone_at)
        .outerjoin(User, User.id == Retirement.user_id)
        .where(Retirement.project_id == project_id, Retirement.class_id == class_id)
        .order_by(Retirement.id.desc())
        .limit(limit)
    )
    return [RetirementLine(*row) for row in rows]


def offers(session: Session, action_id: int, *, project_id: int) -> list[Offer]:
    """What an act that labelled real images lets retire, by class; nothing where no staged or synthetic one counts."""
    real = session.execute(
        select(LabelEvent.to_class_id, LabelClass.name, func.count())
        .join(Image, Image.id == LabelEvent.image_id)
        .join(LabelClass, LabelClass.id == LabelEvent.to_class_id)
        .where(
            LabelEvent.action_id == action_id,
            Image.project_id == project_id,
            Image.origin == Origin.REAL,
            LabelEvent.to_class_id.is_distinct_from(LabelEvent.from_class_id),
        )
        .group_by(LabelEvent.to_class_id, LabelClass.name)
        .order_by(func.count().desc(), LabelEvent.to_class_id)
    ).all()
    found = [
        Offer(class_id, name, accepted, retirable(session, project_id, class_id))
        for class_id, name, accepted in real
        if class_id is not None
    ]
    return [offer for offer in found if offer.count]
