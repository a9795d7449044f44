"""Filtering images by their labelling: by whom, how and how long ago they got the label they carry."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.core.texts import tr
from app.labelling.models import LabelAction, LabelEvent
from app.labelling.words import HOW_WORDS
from app.library.grammar import Choice, Field, Values, indexed, is_any, number_between, number_id, one_of
from app.library.models import Image

_MOST_DAYS: Final = 36_500


def _older_than(values: Values) -> ColumnElement[bool]:
    return Image.labelled_at <= now() - timedelta(days=values[0])


def _younger_than(values: Values) -> ColumnElement[bool]:
    return Image.labelled_at >= now() - timedelta(days=values[0])


def _labellers(session: Session, project_id: int) -> list[Choice]:
    """Who has acted in the project: each is one step in the index of actions, however many there are."""
    found: list[Choice] = []
    last = 0
    query = select(LabelAction.user_id).where(LabelAction.project_id == project_id)
    while True:
        user_id = session.scalar(query.where(LabelAction.user_id > last).order_by(LabelAction.user_id).limit(1))
        if user_id is None:
            return sorted(found, key=lambda choice: choice[1].casefold())
        last = user_id
        found.append((str(user_id), session.get_one(User, user_id).name))


def _of_action(values: Values) -> ColumnElement[bool]:
    return exists().where(LabelEvent.image_id == Image.id, LabelEvent.action_id.in_(values))


def _changed_by(project_id: int, values: Values) -> Select[int]:
    of_project = select(LabelAction.id).where(LabelAction.project_id == project_id, LabelAction.id.in_(values))
    return select(LabelEvent.image_id).where(LabelEvent.action_id.in_(of_project))


FIELDS: Final = (
    Field(
        "action_id",
        lambda: tr("Changed by the act (number)"),
        "label",
        number_id,
        _of_action,
        _changed_by,
        kind="number",
    ),
    Field(
        "labelled_by",
        lambda: tr("Labelled by"),
        "label",
        number_id,
        is_any(Image.labelled_by),
        indexed(is_any(Image.labelled_by), Image.labelled_by.is_not(None)),
        in_order=True,
        many=True,
        choices=_labellers,
    ),
    Field(
        "labelled_how",
        lambda: tr("How labelled"),
        "label",
        one_of(*HOW_WORDS),
        is_any(Image.labelled_how),
        indexed(is_any(Image.labelled_how), Image.labelled_how.is_not(None)),
        in_order=True,
        many=True,
        choices=lambda *_: [(how, tr(words)) for how, words in HOW_WORDS.items()],
    ),
    Field(
        "label_age_min",
        lambda: tr("Label at least this old (days)"),
        "label",
        number_between(0, _MOST_DAYS),
        _older_than,
        indexed(_older_than),
        kind="number",
    ),
    Field(
        "label_age_max",
        lambda: tr("Label at most this old (days)"),
        "label",
        number_between(0, _MOST_DAYS),
        _younger_than,
        indexed(_younger_than),
        kind="number",
    ),
)
