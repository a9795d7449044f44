"""What hidden checks say: how many each labeller got right, with its interval, and which they got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.core.shares import Share, wilson
from app.labelling.actions import label_text
from app.labelling.models import LabelClass, QualityCheck
from app.library.models import Image


@dataclass(frozen=True, slots=True)
class Checked:
    """One labeller: right answers of those that name a class or none; `left_open` said neither."""

    user_id: int
    name: str
    share: Share
    left_open: int


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """An image that a labeller got wrong."""

    image_id: int
    rotation: int
    by: str
    said: str
    truth: str
    at: datetime | None


def figures(session: Session, project_id: int, *, user_id: int | None = None) -> list[Checked]:
    """Each labeller's accuracy on hidden checks (Wilson's interval), by name."""
    right = func.sum(case((QualityCheck.is_right.is_(True), 1), else_=0))
    query = (
        select(QualityCheck.user_id, User.name, right, func.count(QualityCheck.is_right), func.count())
        .join(User, User.id == QualityCheck.user_id)
        .where(QualityCheck.project_id == project_id, QualityCheck.answered_at.is_not(None))
        .group_by(QualityCheck.user_id, User.name)
        .order_by(User.name)
    )
    if user_id is not None:
        query = query.where(QualityCheck.user_id == user_id)
    return [
        Checked(who, name, wilson(int(hits), total), answered - total)
        for who, name, hits, total, answered in session.execute(query)
    ]


def wrong_answers(session: Session, project_id: int, *, limit: int = 30) -> Sequence[WrongAnswer]:
    """The newest wrong answers."""
    said, truth = aliased(LabelClass), aliased(LabelClass)
    rows = session.execute(
        select(
            QualityCheck.image_id,
            Image.rotation,
            User.name,
            QualityCheck.answer_state,
            said.name,
            truth.name,
            QualityCheck.answered_at,
        )
        .join(Image, Image.id == QualityCheck.image_id)
        .join(User, User.id == QualityCheck.user_id)
        .outerjoin(said, said.id == QualityCheck.answer_class_id)
        .outerjoin(truth, truth.id == QualityCheck.truth_class_id)
        .where(QualityCheck.project_id == project_id, QualityCheck.is_right.is_(False))
        .order_by(QualityCheck.id.desc())
        .limit(limit)
    )
    return [
        WrongAnswer(
            image_id, turn, by, label_text(state or "", said_name, None), label_text("none", truth_name, None), at
        )
        for image_id, turn, by, state, said_name, truth_name, at in rows
    ]
