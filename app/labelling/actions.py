"""Actions: opened once for a request key, closed with what they did and left undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, case, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.core.clock import now
from app.core.errors import Conflict
from app.labelling import events, review_asking
from app.labelling.models import LabelAction, LabelClass, LabelEvent, SubClass
from app.labelling.schemas import SKIPPED_SHOWN, ActionResult, Skipped
from app.library.models import Image, ImageState


@dataclass(frozen=True, slots=True)
class Heading:
    """Who acts, what the act is called, and the key that makes a repeated request the same request."""

    project_id: int
    user_id: int | None
    kind: str
    summary: str
    request_key: str | None = None


def earlier_result(session: Session, heading: Heading) -> ActionResult | None:
    """The result of the act that this request key already did, if any. Raises Conflict where it is another's key."""
    if heading.request_key is None:
        return None
    action = session.scalar(select(LabelAction).where(LabelAction.request_key == heading.request_key))
    if action is None:
        return None
    if (action.project_id, action.user_id) != (heading.project_id, heading.user_id):
        raise Conflict("this request_key is already taken; use a fresh one for each act")
    return result_of(action)


def open_action(session: Session, heading: Heading) -> LabelAction | ActionResult:
    """A new action, or the result of the one that the same request key already did."""
    if (earlier := earlier_result(session, heading)) is not None:
        return earlier
    action = LabelAction(
        project_id=heading.project_id,
        user_id=heading.user_id,
        kind=heading.kind,
        summary=heading.summary,
        request_key=heading.request_key,
        images=0,
        skipped=[],
        skipped_count=0,
        created_at=now(),
    )
    try:
        with session.begin_nested():
            session.add(action)
            session.flush()
    except IntegrityError:
        if (earlier := earlier_result(session, heading)) is not None:
            return earlier
        raise
    return action


def perform(session: Session, heading: Heading, *, how: str, steps: Sequence[events.Step]) -> ActionResult:
    """Do an act: its events, what it leaves untouched and why, and the images that follow. Once for a request key."""
    action = open_action(session, heading)
    if isinstance(action, ActionResult):
        return action
    events.lock_images(session, [row.image_id for step in steps for row in step.staged])
    skipped: list[Skipped] = []
    for step in steps:
        skipped += held_back(session, action.project_id, step)
        events.append(session, action, how=how, step=step)
    return close(session, action, skipped)


def close(session: Session, action: LabelAction, skipped: list[Skipped]) -> ActionResult:
    """Let the images follow the action's events, put classes that got labels back into use, keep the result."""
    reopen_classes(session, action)
    action.images = events.follow(session, action)
    review_asking.sample(session, action)
    action.skipped = [asdict(row) for row in skipped[:SKIPPED_SHOWN]]
    action.skipped_count = len(skipped)
    session.flush()
    return result_of(action)


def result_of(action: LabelAction) -> ActionResult:
    """The stored result of an action."""
    return ActionResult(
        action_id=action.id,
        changed=action.images,
        skipped=[Skipped(**row) for row in action.skipped],
        skipped_count=action.skipped_count,
    )


def who_and_what(session: Session, images: ColumnElement[bool], *, why: ColumnElement[str]) -> list[Skipped]:
    """The images that a condition on Image picks, as skipped ones: with who changed them last and what they are now."""
    sub_class = aliased(SubClass)
    rows = session.execute(
        select(Image.id, why, User.name, Image.state, LabelClass.name, sub_class.name, Image.label_version)
        .outerjoin(LabelEvent, LabelEvent.id == Image.last_event_id)
        .outerjoin(User, User.id == LabelEvent.user_id)
        .outerjoin(LabelClass, LabelClass.id == Image.class_id)
        .outerjoin(sub_class, sub_class.id == Image.sub_class_id)
        .where(images)
        .order_by(Image.id)
    )
    return [
        Skipped(image_id, reason, by, label_text(state, class_name, sub_name), version)
        for image_id, reason, by, state, class_name, sub_name, version in rows
    ]


def label_text(state: str, class_name: str | None, sub_class_name: str | None) -> str:
    """A label in words: "Lion / cub", or the state where there is no class."""
    if class_name is None:
        return state
    return f"{class_name} / {sub_class_name}" if sub_class_name else class_name


def held_back(session: Session, project_id: int, step: events.Step) -> list[Skipped]:
    """The staged images that a step may not change, and why."""
    staged = events.staged_rows(session, step.staged)
    may_change = events.may_change(step, project_id, staged)
    kept = (
        select(staged.c.image_id)
        .join(Image, Image.id == staged.c.image_id)
        .where(events.in_project(project_id), ~may_change)
    )
    why = case(
        (Image.state == ImageState.QUARANTINED, literal("it could not be decoded")),
        (literal(step.restores) & (Image.state != ImageState.REMOVED), literal("it is not removed")),
        (
            ~literal(step.restores) & (Image.state == ImageState.REMOVED),
            literal("it is removed; restore it first"),
        ),
        else_=literal("changed meanwhile"),
    )
    # A subquery for each staged image: as a join, PostgreSQL would read the whole library's index for it.
    here = select(Image.id).where(Image.id == staged.c.image_id, events.in_project(project_id)).scalar_subquery()
    elsewhere = session.scalars(select(staged.c.image_id).where(here.is_(None)))
    return [
        *who_and_what(session, Image.id.in_(kept), why=why),
        *(Skipped(image_id, "no such image in this project") for image_id in elsewhere),
    ]


def reopen_classes(session: Session, action: LabelAction) -> None:
    """Put archived classes that got labels by an act back into use."""
    given = select(LabelEvent.to_class_id).where(LabelEvent.action_id == action.id, LabelEvent.to_class_id.is_not(None))
    session.execute(
        update(LabelClass)
        .where(LabelClass.id.in_(given), LabelClass.archived_at.is_not(None))
        .values(archived_at=None, merged_into_id=None)
    )
