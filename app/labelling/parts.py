"""An act too large for one transaction: done part by part under one action, undone as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from app.core.errors import Conflict
from app.labelling import events
from app.labelling.actions import Heading, open_action, result_of, who_and_what
from app.labelling.models import LabelAction, LabelEvent
from app.labelling.schemas import SKIPPED_SHOWN, ActionResult, Change, Skipped
from app.labelling.service import steps_of
from app.library.models import Image


def apply_part(session: Session, heading: Heading, changes: Sequence[Change], *, how: str) -> int:
    """Do some more of the act that the heading's request key names; returns how many images changed.

    Repeating a part changes nothing. Raises Conflict where the act was undone meanwhile, else as `apply_labels` does.
    """
    action = action_of(session, heading)
    steps = steps_of(session, heading.project_id, changes, conditions=(~once_changed(action),))
    return do_part(session, action, steps, how=how)


def do_part(session: Session, action: LabelAction, steps: Sequence[events.Step], *, how: str) -> int:
    """Some more steps of an act; returns how many images changed."""
    last = session.scalar(select(func.max(LabelEvent.id))) or 0
    events.lock_images(session, sorted(row.image_id for step in steps for row in step.staged))
    for step in steps:
        events.append(session, action, how=how, step=step)
    changed = events.follow(session, action, after_event_id=last)
    action.images += changed
    session.flush()
    return changed


def once_changed(action: LabelAction) -> ColumnElement[bool]:
    """Whether an act has an event on an image: it leaves one at most, and undo may have freed the image since."""
    earlier = aliased(LabelEvent)
    return exists().where(earlier.action_id == action.id, earlier.image_id == Image.id)


def left_by(session: Session, action_id: int, image_ids: Sequence[int]) -> list[int]:
    """Those of some images that the act did not change."""
    own = select(LabelEvent.image_id).where(LabelEvent.action_id == action_id, LabelEvent.image_id.in_(image_ids))
    changed = set(session.scalars(own))
    return [image_id for image_id in image_ids if image_id not in changed]


def close_parts(session: Session, heading: Heading, left: Sequence[int]) -> ActionResult:
    """Note on the act which images it left as they were, with who changed them meanwhile; its result."""
    why = func.coalesce("changed meanwhile", "")
    shown = who_and_what(session, Image.id.in_(left[:SKIPPED_SHOWN]), why=why) if left else []
    return close_with(session, action_of(session, heading), shown, len(left))


def close_with(session: Session, action: LabelAction, shown: Sequence[Skipped], count: int) -> ActionResult:
    """Note on an act how many images it left as they were, and the first of them; its result."""
    action.skipped = [asdict(row) for row in shown[:SKIPPED_SHOWN]]
    action.skipped_count = count
    session.flush()
    return result_of(action)


def action_of(session: Session, heading: Heading) -> LabelAction:
    """The act that the heading's request key names, opened if it is new. Raises Conflict where it was undone."""
    opened = open_action(session, heading)
    action_id = opened.action_id if isinstance(opened, ActionResult) else opened.id
    action = session.get_one(LabelAction, action_id, with_for_update=True)
    if action.undone_by_action_id is not None:
        raise Conflict("this act was undone meanwhile; begin anew")
    return action


def is_undone(session: Session, action_id: int) -> bool:
    """Whether an act has been taken back."""
    query = select(LabelAction.id).where(LabelAction.id == action_id, LabelAction.undone_by_action_id.is_not(None))
    return session.scalar(query) is not None
