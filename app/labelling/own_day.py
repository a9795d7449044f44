"""A labeller's own day: how many, the last answers (to walk back to after a reload), and the summary of a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import ColumnElement, func, select, union_all
from sqlalchemy.orm import Session, aliased

from app.labelling.actions import label_text
from app.labelling.models import LabelAction, LabelClass, LabelEvent, QualityCheck, SubClass
from app.library.models import ImageState

SETTLING: Final = ("label", "unknown", "none", "not_good", "good", "remove", "settle")
_SINGLE: Final = (
    *("label", "unknown", "none", "not_good", "good", "remove"),
    *("rotate", "small_subject", "not_small_subject"),
)
_PAUSE: Final = timedelta(minutes=2)
_EARLIER: Final = 20
_TOP_CLASSES: Final = 10
_ACTS_LOOKED_AT: Final = 20_000


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """One of the labeller's answers to a single image: the kind of act, and what it gave, so that it can be repeated.

    `label` is the label in words, `reason` the one for not good.
    """

    action_id: int
    image_id: int
    kind: str
    class_id: int | None
    sub_class_id: int | None
    label: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class DaySummary:
    """What a labeller did: images by kind of act, accepted suggestions, undone acts, the classes given most, and time.

    `accepted` is None where it is not to be told: hidden checks do not count in it. `active` leaves out pauses of more
    than two minutes.
    """

    images: int
    by_kind: dict[str, int]
    accepted: int | None
    undone: int
    classes: list[tuple[str, int]]
    began_at: datetime | None
    active: timedelta

    @property
    def a_minute(self) -> float | None:
        """Images a minute while at work; None where there was too little to tell."""
        minutes = self.active.total_seconds() / 60
        return self.images / minutes if minutes >= 1 else None


def labelled_since(session: Session, project_id: int, user_id: int, since: datetime) -> int:
    """How many images somebody labelled or judged since a moment, undone acts not counted."""
    query = select(func.coalesce(func.sum(LabelAction.images), 0)).where(
        *_acts_since(project_id, user_id, since),
        LabelAction.kind.in_(SETTLING),
        LabelAction.undone_by_action_id.is_(None),
    )
    return int(session.scalar(query) or 0)


def earlier_answers(session: Session, project_id: int, user_id: int, since: datetime) -> list[EarlierAnswer]:
    """The last answers to single images since a moment that still stand, the oldest first."""
    sub_class = aliased(SubClass)
    rows = session.execute(
        select(
            LabelAction.id,
            LabelEvent.image_id,
            LabelAction.kind,
            LabelEvent.to_class_id,
            LabelEvent.to_sub_class_id,
            LabelEvent.to_state,
            LabelClass.name,
            sub_class.name,
            LabelEvent.to_quality,
        )
        .join(LabelEvent, LabelEvent.action_id == LabelAction.id)
        .outerjoin(LabelClass, LabelClass.id == LabelEvent.to_class_id)
        .outerjoin(sub_class, sub_class.id == LabelEvent.to_sub_class_id)
        .where(*_acts_since(project_id, user_id, since), LabelAction.images == 1, LabelAction.kind.in_(_SINGLE))
        .where(LabelAction.undone_by_action_id.is_(None))
        .order_by(LabelAction.created_at.desc(), LabelAction.id.desc())
        .limit(_EARLIER)
    )
    return [
        EarlierAnswer(action_id, image_id, kind, class_id, sub_id, label_text(state, class_name, sub_name), quality)
        for action_id, image_id, kind, class_id, sub_id, state, class_name, sub_name, quality in rows
    ][::-1]


def summary_of(
    session: Session, project_id: int, user_id: int, since: datetime, *, hides_checks: bool = False
) -> DaySummary:
    """What somebody did in a project since a moment. `hides_checks`: told so that no hidden check shows in it."""
    own = _acts_since(project_id, user_id, since)
    acts = session.execute(
        select(LabelAction.kind, LabelAction.images, LabelAction.created_at, LabelAction.undone_by_action_id)
        .where(*own, LabelAction.images > 0)
        .order_by(LabelAction.created_at)
        .limit(_ACTS_LOOKED_AT)
    ).all()
    by_kind: dict[str, int] = {}
    for act in acts:
        if act.undone_by_action_id is None and act.kind in SETTLING:
            by_kind[act.kind] = by_kind.get(act.kind, 0) + act.images
    moments = [act.created_at for act in acts]
    gaps = (later - earlier for earlier, later in pairwise(moments))
    events = (
        *own,
        LabelEvent.action_id == LabelAction.id,
        LabelAction.undone_by_action_id.is_(None),
        LabelAction.kind.in_(SETTLING),
    )
    accepted = select(func.count()).where(*events, LabelEvent.how == "accepted_suggestion")
    labelled = select(LabelEvent.to_class_id.label("class_id")).where(
        *events, LabelEvent.to_state == ImageState.LABELLED
    )
    answered = select(QualityCheck.answer_class_id).where(*own, QualityCheck.action_id == LabelAction.id)
    answered = answered.where(QualityCheck.answer_state == ImageState.LABELLED, QualityCheck.answered_at.is_not(None))
    given = union_all(labelled, answered).subquery()
    classes = (
        select(LabelClass.name, func.count())
        .join(given, given.c.class_id == LabelClass.id)
        .group_by(LabelClass.name)
        .order_by(func.count().desc(), LabelClass.name)
        .limit(_TOP_CLASSES)
    )
    return DaySummary(
        images=sum(by_kind.values()),
        by_kind=by_kind,
        accepted=None if hides_checks else session.scalar(accepted) or 0,
        undone=sum(act.kind == "undo" for act in acts),
        classes=[(name, count) for name, count in session.execute(classes)],
        began_at=moments[0] if moments else None,
        active=sum((gap for gap in gaps if gap <= _PAUSE), timedelta()),
    )


def _acts_since(project_id: int, user_id: int, since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (LabelAction.project_id == project_id, LabelAction.user_id == user_id, LabelAction.created_at >= since)
