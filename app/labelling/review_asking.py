"""Asking for second opinions: on chosen images, or on a share of the new labels, drawn by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.core.clock import now
from app.core.database import UtcTime, id_rows, insert_into, is_sqlite
from app.labelling.events import in_project
from app.labelling.models import LabelAction, LabelEvent, SecondOpinion
from app.library.models import Image, ImageState
from app.projects.models import Project

JUDGED = (ImageState.LABELLED, ImageState.UNKNOWN, ImageState.NONE)
"""States that say what an image shows, so that a second person may agree or not."""
_BY_A_PERSON = ("manual", "grid", "accepted_suggestion")
_COLUMNS = (
    *("project_id", "image_id", "why", "asked_by", "asked_at", "state"),
    *("first_state", "first_class_id", "first_sub_class_id", "first_user_id"),
)


def relabels(event: Any = LabelEvent) -> ColumnElement[bool]:
    """Whether an event changed what an image shows, rather than its quality or rotation."""
    return or_(
        event.to_state != event.from_state,
        event.to_class_id.is_distinct_from(event.from_class_id),
        event.to_sub_class_id.is_distinct_from(event.from_sub_class_id),
    )


def ask(session: Session, *, project_id: int, image_ids: Sequence[int], user_id: int) -> int:
    """Ask somebody else about these images; returns how many are new in the queue.

    Left out are images that say nothing yet (in the pool, removed) and those that are asked about already.
    """
    giver = aliased(LabelEvent)
    first_user = (
        select(giver.user_id)
        .where(giver.image_id == Image.id, relabels(giver))
        .order_by(giver.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    wanted = Image.id.in_(id_rows(session, list(image_ids)))
    rows = _rows(project_id, "asked", user_id, first_user).where(
        wanted, in_project(project_id), Image.state.in_(JUDGED), ~_is_open()
    )
    return _insert(session, rows)


def sample(session: Session, action: LabelAction) -> int:
    """Ask about the project's share of the labels that an act has just given; returns how many were drawn.

    Only what people said counts: no import, undo, merge or settlement. Called when the images follow their events.
    """
    percent = session.get_one(Project, action.project_id).review_percent
    if not percent or action.user_id is None:
        return 0
    chance = func.abs(func.random() % 100) if is_sqlite(session) else func.floor(func.random() * 100)
    rows = (
        _rows(action.project_id, "sampled", None, cast(literal(action.user_id), BigInteger))
        .join(LabelEvent, LabelEvent.image_id == Image.id)
        .where(LabelEvent.action_id == action.id, LabelEvent.how.in_(_BY_A_PERSON), relabels())
        .where(Image.state.in_(JUDGED), chance < percent, ~_is_open())
    )
    return _insert(session, rows)


def reopen(session: Session, action_id: int) -> None:
    """A settlement that was taken back is a disagreement again, unless the image is asked about anew."""
    other = aliased(SecondOpinion)
    is_open = exists().where(other.image_id == SecondOpinion.image_id, other.state.in_(("waiting", "disagreed")))
    session.execute(
        update(SecondOpinion)
        .where(SecondOpinion.settled_action_id == action_id, ~is_open)
        .values(state="disagreed", settled_by=None, settled_at=None, settled_action_id=None),
        execution_options={"synchronize_session": False},
    )


def _rows(project_id: int, why: str, asked_by: int | None, first_user: ColumnElement[Any]) -> Select[Any]:
    return select(
        *(literal(project_id), Image.id, literal(why), cast(literal(asked_by), BigInteger)),
        *(literal(now(), UtcTime()), literal("waiting")),
        *(Image.state, Image.class_id, Image.sub_class_id, first_user),
    ).select_from(Image)


def _is_open() -> ColumnElement[bool]:
    same = SecondOpinion.image_id == Image.id
    return exists().where(same, SecondOpinion.state.in_(("waiting", "disagreed")))


def _insert(session: Session, rows: Select[Any]) -> int:
    statement = insert_into(session, SecondOpinion).from_select(list(_COLUMNS), rows.order_by(Image.id))
    made = session.execute(statement.on_conflict_do_nothing().returning(SecondOpinion.id))
    return len(made.all())
