"""The append-only label events: the only module that inserts them, and images follow them.

An act is staged as rows of (image, expected version, confidence), one `INSERT … SELECT` turns them into events, and
the images then take their values from the events. So the label of an image is its last event by construction, and
10,000 images cost four statements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Select,
    SQLColumnExpression,
    Subquery,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import UtcTime, is_sqlite
from app.labelling.models import LabelAction, LabelEvent
from app.library.models import Image, ImageState
from app.library.service import change_images

FIELDS = ("state", "class_id", "sub_class_id", "quality", "rotation", "is_small_subject")
Targets = Mapping[str, SQLColumnExpression[Any]]


@dataclass(frozen=True, slots=True)
class Staged:
    """An image to change: the label version its change was decided on (None: any), the suggestion's confidence."""

    image_id: int
    expected_version: int | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a part of an act makes of its images: an SQL value for each field that changes; others stay."""

    targets: Targets
    staged: Sequence[Staged]
    suggested_by_version_id: int | None = None
    restores: bool = False
    conditions: Sequence[ColumnElement[bool]] = field(default_factory=tuple)


def staged_rows(session: Session, staged: Sequence[Staged]) -> Subquery:
    """The staged images as a subquery (image_id, expected_version, confidence), in one to three bind values."""
    if is_sqlite(session):
        rows = json.dumps([[row.image_id, row.expected_version, row.confidence] for row in staged])
        each = func.json_each(rows).table_valued("value", name="staged_json")
        return select(
            cast(func.json_extract(each.c.value, "$[0]"), Integer).label("image_id"),
            cast(func.json_extract(each.c.value, "$[1]"), Integer).label("expected_version"),
            cast(func.json_extract(each.c.value, "$[2]"), Double).label("confidence"),
        ).subquery("staged")
    columns = (
        func.unnest(
            literal([row.image_id for row in staged], ARRAY(BigInteger)),
            literal([row.expected_version for row in staged], ARRAY(BigInteger)),
            literal([row.confidence for row in staged], ARRAY(Double)),
        )
        .table_valued("image_id", "expected_version", "confidence", name="staged_arrays")
        .render_derived()
    )
    return select(columns.c.image_id, columns.c.expected_version, columns.c.confidence).subquery("staged")


def may_change(step: Step, project_id: int, staged: Subquery) -> ColumnElement[bool]:
    """Whether a staged image may change: of this project, in a state that the act works on, not changed meanwhile."""
    in_reach = (
        Image.state == ImageState.REMOVED
        if step.restores
        else Image.state.not_in([ImageState.REMOVED, ImageState.QUARANTINED])
    )
    is_current = or_(staged.c.expected_version.is_(None), staged.c.expected_version == Image.label_version)
    return and_(in_project(project_id), in_reach, is_current, *step.conditions)


def in_project(project_id: int) -> ColumnElement[bool]:
    """The project of an image found by its id. The sum keeps SQLite from walking the project's index instead."""
    return Image.project_id + 0 == project_id


def lock_images(session: Session, image_ids: Sequence[int]) -> None:
    """Hold the images until the commit where the database locks by row (SQLite's write lock already covers them)."""
    if not is_sqlite(session):
        wanted = literal(list(image_ids), ARRAY(BigInteger))
        session.execute(
            select(func.count()).select_from(
                select(Image.id).where(Image.id == func.any(wanted)).order_by(Image.id).with_for_update().subquery()
            )
        )


def append(session: Session, action: LabelAction, *, how: str, step: Step) -> None:
    """Append an event for each staged image that may change and would differ."""
    staged = staged_rows(session, step.staged)
    differs = or_(*(value.is_distinct_from(getattr(Image, name)) for name, value in step.targets.items()))
    source = (
        select(*_event_columns(action, how=how, targets=step.targets))
        .add_columns(cast(literal(step.suggested_by_version_id), BigInteger), staged.c.confidence)
        .select_from(staged)
        .join(Image, Image.id == staged.c.image_id)
        .outerjoin(LabelEvent, LabelEvent.id == Image.last_event_id)
        .where(may_change(step, action.project_id, staged), differs)
    )
    _insert_events(session, source)


def append_where(
    session: Session, action: LabelAction, *, how: str, targets: Targets, where: ColumnElement[bool]
) -> None:
    """Append an event for each image of the project that `where` picks (by an index of its own).

    `targets` and `where` may use the image's last event (LabelEvent).
    """
    source = (
        select(*_event_columns(action, how=how, targets=targets))
        .add_columns(cast(null(), BigInteger), cast(null(), Double))
        .select_from(Image)
        .outerjoin(LabelEvent, LabelEvent.id == Image.last_event_id)
        .where(in_project(action.project_id), where)
    )
    _insert_events(session, source)


def follow(session: Session, action: LabelAction, *, after_event_id: int = 0) -> int:
    """Give the images of an action the values of their events. Returns how many there were.

    With `after_event_id` only newer events count, found by their ids: a large import calls this for each of its parts.
    """
    relabels = or_(
        LabelEvent.to_state != LabelEvent.from_state,
        LabelEvent.to_class_id.is_distinct_from(LabelEvent.from_class_id),
        LabelEvent.to_sub_class_id.is_distinct_from(LabelEvent.from_sub_class_id),
    )

    def when_labelled(value: Any, kept: Any) -> Any:
        return case((LabelEvent.to_state != ImageState.LABELLED, null()), (relabels, value), else_=kept)

    reviewed = case((relabels, LabelEvent.how == "review"), else_=Image.is_reviewed)
    of_action = LabelEvent.action_id + 0 == action.id if after_event_id else LabelEvent.action_id == action.id
    chosen = select(LabelEvent.image_id).where(of_action, LabelEvent.id > after_event_id)
    return change_images(
        session,
        chosen,
        project_id=action.project_id,
        joined_by=(LabelEvent.action_id == action.id) & (LabelEvent.image_id == Image.id),
        **{name: getattr(LabelEvent, f"to_{name}") for name in FIELDS},
        last_event_id=LabelEvent.id,
        label_version=Image.label_version + 1,
        labelled_at=when_labelled(LabelEvent.at, Image.labelled_at),
        labelled_by=when_labelled(LabelEvent.user_id, Image.labelled_by),
        labelled_how=when_labelled(LabelEvent.how, Image.labelled_how),
        is_reviewed=reviewed,
    )


def constant(name: str, value: str | bool | int | None) -> ColumnElement[Any]:
    """A fixed value for the field `name`; None keeps the column's type, which PostgreSQL wants."""
    return cast(literal(value), getattr(Image, name).type)


def _event_columns(action: LabelAction, *, how: str, targets: Targets) -> list[ColumnElement[Any]]:
    before = [getattr(Image, name) for name in FIELDS]
    after = [targets.get(name, getattr(Image, name)) for name in FIELDS]
    return [
        literal(action.id).label("action_id"),
        Image.id,
        literal(how),
        cast(literal(action.user_id), BigInteger),
        literal(now(), UtcTime()),
        *before,
        *after,
    ]


def _insert_events(session: Session, source: Select[Any]) -> None:
    names = ["action_id", "image_id", "how", "user_id", "at"]
    names += [f"from_{name}" for name in FIELDS] + [f"to_{name}" for name in FIELDS]
    names += ["suggested_by_version_id", "suggestion_confidence"]
    session.execute(insert(LabelEvent).from_select(names, source.order_by(Image.id)))
