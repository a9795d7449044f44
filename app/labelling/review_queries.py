"""Reading second opinions: the disagreements with both labels in words, the newest images that nobody reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.labelling.actions import label_text
from app.labelling.models import LabelClass, SecondOpinion, SubClass
from app.library.models import Image, ImageState


@dataclass(frozen=True, slots=True)
class SaidLabel:
    """A label in words and as a form sends it, with who gave it."""

    words: str
    state: str
    value: str
    by: str | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An image that two people see differently; `now` is its label today where that is neither of theirs."""

    id: int
    image_id: int
    rotation: int
    version: int
    first: SaidLabel
    second: SaidLabel
    now: str | None
    at: datetime


def disagreements(session: Session, project_id: int, *, after: int = 0, limit: int = 20) -> Sequence[Disagreement]:
    """Disagreements that wait for a reviewer, the oldest first, from behind `after` on."""
    class_1, class_2, class_now = aliased(LabelClass), aliased(LabelClass), aliased(LabelClass)
    sub_1, sub_2, sub_now = aliased(SubClass), aliased(SubClass), aliased(SubClass)
    first_user, second_user = aliased(User), aliased(User)
    one = SecondOpinion
    query = (
        select(
            *(one, Image.rotation, Image.label_version, Image.state, first_user.name, second_user.name),
            *(class_1.name, sub_1.name, class_2.name, sub_2.name, class_now.name, sub_now.name),
        )
        .join(Image, Image.id == one.image_id)
        .outerjoin(first_user, first_user.id == one.first_user_id)
        .outerjoin(second_user, second_user.id == one.second_user_id)
        .outerjoin(class_1, class_1.id == one.first_class_id)
        .outerjoin(sub_1, sub_1.id == one.first_sub_class_id)
        .outerjoin(class_2, class_2.id == one.second_class_id)
        .outerjoin(sub_2, sub_2.id == one.second_sub_class_id)
        .outerjoin(class_now, class_now.id == Image.class_id)
        .outerjoin(sub_now, sub_now.id == Image.sub_class_id)
        .where(one.project_id == project_id, one.state == "disagreed", one.id > after)
        .order_by(one.id)
        .limit(limit)
    )
    found = []
    for row in session.execute(query):
        said, turn, version, state, by_1, by_2, *names = tuple(row)
        first = SaidLabel(
            label_text(said.first_state, names[0], names[1]),
            said.first_state,
            _value(said.first_class_id, said.first_sub_class_id),
            by_1,
        )
        second = SaidLabel(
            label_text(said.second_state, names[2], names[3]),
            said.second_state,
            _value(said.second_class_id, said.second_sub_class_id),
            by_2,
        )
        now = label_text(state, names[4], names[5])
        changed = None if now == first.words else now
        found.append(Disagreement(said.id, said.image_id, turn, version, first, second, changed, said.second_at))
    return found


def newest_unreviewed(session: Session, project_id: int, *, class_id: int | None, count: int) -> list[int]:
    """The newest labelled images, of one class where given, that no second person has looked at."""
    query = select(Image.id).where(Image.project_id == project_id, Image.is_reviewed.is_(False))
    if class_id is None:
        query = query.where(Image.state == ImageState.LABELLED)
    else:
        query = query.where(Image.class_id == class_id)
    return list(session.scalars(query.order_by(Image.id.desc()).limit(count)))


def _value(class_id: int | None, sub_class_id: int | None) -> str:
    if class_id is None:
        return ""
    return f"{class_id}:{sub_class_id}" if sub_class_id else str(class_id)
