"""Reading labels: an image's history, actions, a labeller's pace. Classes are read in class_counts.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.labelling.actions import label_text
from app.labelling.models import LabelAction, LabelClass, LabelEvent, SubClass
from app.labelling.schemas import Skipped
from app.library.models import Image
from app.registry.models import ModelVersion

_KINDS_WITHOUT_IMAGES = ("class", "merge", "split", "delete")


@dataclass(frozen=True, slots=True)
class PastEvent:
    """One step of an image's history, in words; `kind` and `images` are those of the act that it is part of."""

    id: int
    action_id: int
    at: datetime
    by: str | None
    how: str
    changes: tuple[tuple[str, str, str], ...]
    version_number: int | None
    confidence: float | None
    user_id: int | None
    kind: str
    images: int
    is_undone: bool


@dataclass(frozen=True, slots=True)
class PastAction:
    """An action with who did it and whether it is undone."""

    id: int
    user_id: int | None
    by: str | None
    kind: str
    summary: str
    images: int
    skipped_count: int
    at: datetime
    is_undone: bool
    skipped: Sequence[Skipped] = ()


def history_of(session: Session, image_id: int, *, limit: int = 100) -> list[PastEvent]:
    """What happened to an image, newest first."""
    from_class, to_class = aliased(LabelClass), aliased(LabelClass)
    from_sub, to_sub = aliased(SubClass), aliased(SubClass)
    names = (from_class.name, to_class.name, from_sub.name, to_sub.name)
    query = (
        select(LabelEvent, LabelAction, User.name, ModelVersion.number, *names)
        .outerjoin(User, User.id == LabelEvent.user_id)
        .outerjoin(ModelVersion, ModelVersion.id == LabelEvent.suggested_by_version_id)
        .join(LabelAction, LabelAction.id == LabelEvent.action_id)
        .outerjoin(from_class, from_class.id == LabelEvent.from_class_id)
        .outerjoin(to_class, to_class.id == LabelEvent.to_class_id)
        .outerjoin(from_sub, from_sub.id == LabelEvent.from_sub_class_id)
        .outerjoin(to_sub, to_sub.id == LabelEvent.to_sub_class_id)
        .where(LabelEvent.image_id == image_id)
        .order_by(LabelEvent.id.desc())
        .limit(limit)
    )
    return [
        PastEvent(
            *(event.id, event.action_id, event.at, by, event.how),
            changes=_changes(event, before=(class_1, sub_1), after=(class_2, sub_2)),
            version_number=number,
            confidence=event.suggestion_confidence,
            user_id=act.user_id,
            kind=act.kind,
            images=act.images,
            is_undone=act.undone_by_action_id is not None,
        )
        for event, act, by, number, class_1, class_2, sub_1, sub_2 in session.execute(query)
    ]


def _changes(
    event: LabelEvent, *, before: tuple[str | None, str | None], after: tuple[str | None, str | None]
) -> tuple[tuple[str, str, str], ...]:
    """(what, from, to) for each part that changed, in words."""
    pairs = (
        ("label", label_text(event.from_state, *before), label_text(event.to_state, *after)),
        ("quality", _quality_words(event.from_quality), _quality_words(event.to_quality)),
        ("turned", f"{event.from_rotation}°", f"{event.to_rotation}°"),
        ("subject", _subject_words(event.from_is_small_subject), _subject_words(event.to_is_small_subject)),
    )
    return tuple((what, old, new) for what, old, new in pairs if old != new)


def _subject_words(is_small: bool) -> str:
    return "small subject" if is_small else "subject large enough"


def _quality_words(quality: str | None) -> str:
    if quality is None:
        return "not judged"
    return "good" if quality == "good" else f"not good: {quality.replace('_', ' ')}"


def actions(
    session: Session, project_id: int, *, user_id: int | None = None, before: int | None = None, limit: int = 50
) -> list[PastAction]:
    """Acts of a project, or of one person in it, newest first; acts that changed nothing are left out."""
    query = (
        select(LabelAction, User.name)
        .outerjoin(User, User.id == LabelAction.user_id)
        .where(LabelAction.project_id == project_id)
        .where(or_(LabelAction.images > 0, LabelAction.kind.in_(_KINDS_WITHOUT_IMAGES)))
        .order_by(LabelAction.id.desc())
        .limit(limit)
    )
    if user_id is not None:
        query = query.where(LabelAction.user_id == user_id)
    return _past(session, query, before)


def overtaken(session: Session, project_id: int, *, before: int | None = None, limit: int = 20) -> list[PastAction]:
    """Acts that left some images as they were, newest first: two people had touched the same ones."""
    query = (
        select(LabelAction, User.name)
        .outerjoin(User, User.id == LabelAction.user_id)
        .where(LabelAction.project_id == project_id, LabelAction.skipped_count > 0)
        .order_by(LabelAction.id.desc())
        .limit(limit)
    )
    return _past(session, query, before)


def _past(session: Session, query: Select[LabelAction, str | None], before: int | None) -> list[PastAction]:
    if before is not None:
        query = query.where(LabelAction.id < before)
    return [
        PastAction(
            *(action.id, action.user_id, by, action.kind, action.summary, action.images, action.skipped_count),
            at=action.created_at,
            is_undone=action.undone_by_action_id is not None,
            skipped=[Skipped(**row) for row in action.skipped],
        )
        for action, by in session.execute(query)
    ]


def versions_after(session: Session, action_id: int, *, limit: int = 200) -> dict[int, int]:
    """Label version now of the images that an action changed (the first `limit`), by image id."""
    query = (
        select(Image.id, Image.label_version)
        .join(LabelEvent, LabelEvent.image_id == Image.id)
        .where(LabelEvent.action_id == action_id)
        .order_by(LabelEvent.id)
        .limit(limit)
    )
    return dict(session.execute(query).all())
