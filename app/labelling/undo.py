"""Undo: compensating events for a whole action, except where somebody changed an image since."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, literal, select, update
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Forbidden, NotFound
from app.labelling import check_answers, classes, events, review_asking
from app.labelling.actions import Heading, close, open_action, result_of, who_and_what
from app.labelling.models import LabelAction, LabelEvent
from app.labelling.schemas import ActionResult
from app.library.models import Image

SHARED_KINDS = frozenset({"merge", "settle", "import", "split", "delete"})


def undo(
    session: Session,
    action_id: int,
    *,
    project_id: int,
    user_id: int,
    may_undo_others: bool,
    request_key: str | None = None,
) -> ActionResult:
    """Take an action back as one. Images that changed since stay as they are and are listed with who and what.

    Classes that were archived by a merge and get labels back are in use again. An undo is an action: undoing it redoes.
    Raises NotFound, Forbidden (another's action, or one that only a reviewer may do), Conflict (already undone).
    """
    undone = to_be_undone(session, action_id, project_id=project_id, user_id=user_id, may_undo_others=may_undo_others)
    action = begin_undo(session, undone, user_id=user_id, request_key=request_key)
    if isinstance(action, ActionResult):
        return action
    events_of = select(LabelEvent.image_id).where(LabelEvent.action_id == undone.id)
    events.lock_images(session, list(session.scalars(events_of)))
    came_from_it = select(LabelEvent.id).where(LabelEvent.action_id == undone.id)
    since = (Image.id.in_(events_of)) & Image.last_event_id.not_in(came_from_it)
    skipped = who_and_what(session, since, why=case((literal(value=True), "changed since"), else_=""))
    take_back(session, action, undone, Image.id.in_(events_of))
    result = close(session, action, skipped)
    return settle_undo(session, undone, action, result)


def settle_undo(session: Session, undone: LabelAction, action: LabelAction, result: ActionResult) -> ActionResult:
    """What an undo means beside the labels, once the images follow it; its result.

    Where everything was changed since, the act is not undone after all.
    """
    if check_answers.turn_back(session, undone, action):
        result = result_of(action)
    if undone.kind == "settle":
        review_asking.reopen(session, undone.id)
    if result.changed == 0 and result.skipped_count:
        undone.undone_by_action_id = None
        session.flush()
    else:
        classes.turn_back(session, undone)
    return result


def to_be_undone(
    session: Session, action_id: int, *, project_id: int, user_id: int, may_undo_others: bool
) -> LabelAction:
    """An act that this person may undo. Raises NotFound, Forbidden."""
    undone = session.get(LabelAction, action_id)
    if undone is None or undone.project_id != project_id:
        raise NotFound(f"no action {action_id} in this project")
    if not may_undo_others and (undone.user_id != user_id or undone.kind in SHARED_KINDS):
        raise Forbidden("this act is another's or a reviewer's; undoing it needs the role reviewer")
    return undone


def begin_undo(
    session: Session, undone: LabelAction, *, user_id: int | None, request_key: str | None
) -> LabelAction | ActionResult:
    """The act that undoes another, or the result of the one that this key began. Raises Conflict (already undone)."""
    heading = Heading(undone.project_id, user_id, "undo", f"Undid: {undone.summary}"[:500], request_key)
    action = open_action(session, heading)
    if not isinstance(action, ActionResult):
        _mark_undone(session, undone, by=action)
    return action


def take_back(session: Session, action: LabelAction, undone: LabelAction, images: ColumnElement[bool]) -> None:
    """Append what compensates an act, on those of some images that nobody changed since."""
    targets = {name: getattr(LabelEvent, f"from_{name}") for name in events.FIELDS}
    where = images & (LabelEvent.action_id == undone.id)
    events.append_where(session, action, how="undo", targets=targets, where=where)


def action_of_key(session: Session, request_key: str, *, project_id: int, user_id: int) -> int | None:
    """The person's act that was sent with this key; None where it never arrived."""
    own = (LabelAction.project_id == project_id, LabelAction.user_id == user_id)
    return session.scalar(select(LabelAction.id).where(LabelAction.request_key == request_key, *own))


def _mark_undone(session: Session, undone: LabelAction, *, by: LabelAction) -> None:
    marked = session.scalar(
        update(LabelAction)
        .where(LabelAction.id == undone.id, LabelAction.undone_by_action_id.is_(None))
        .values(undone_by_action_id=by.id)
        .returning(LabelAction.id)
    )
    if marked is None:
        raise Conflict("this act is already undone; undo that undo to do it again")
    by.undoes_action_id = undone.id
