"""Undo: compensating events for a whole action, except where somebody changed an image since."""

from __future__ import annotations

from sqlalchemy import case, literal, select, update
from sqlalchemy.orm import Session

from app.core.errors import Conflict, Forbidden, NotFound
from app.labelling import check_answers, events, review_asking
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
    undone = session.get(LabelAction, action_id)
    if undone is None or undone.project_id != project_id:
        raise NotFound(f"no action {action_id} in this project")
    if not may_undo_others and (undone.user_id != user_id or undone.kind in SHARED_KINDS):
        raise Forbidden("this act is another's or a reviewer's; undoing it needs the role reviewer")
    heading = Heading(project_id, user_id, "undo", f"Undid: {undone.summary}"[:500], request_key)
    action = open_action(session, heading)
    if isinstance(action, ActionResult):
        return action
    _mark_undone(session, undone, by=action)
    events_of = select(LabelEvent.image_id).where(LabelEvent.action_id == undone.id)
    events.lock_images(session, list(session.scalars(events_of)))
    came_from_it = select(LabelEvent.id).where(LabelEvent.action_id == undone.id)
    since = (Image.id.in_(events_of)) & Image.last_event_id.not_in(came_from_it)
    skipped = who_and_what(session, since, why=case((literal(value=True), "changed since"), else_=""))
    targets = {name: getattr(LabelEvent, f"from_{name}") for name in events.FIELDS}
    untouched_since = Image.id.in_(events_of) & (LabelEvent.action_id == undone.id)
    events.append_where(session, action, how="undo", targets=targets, where=untouched_since)
    result = close(session, action, skipped)
    if check_answers.turn_back(session, undone, action):
        result = result_of(action)
    if undone.kind == "settle":
        review_asking.reopen(session, undone.id)
    if result.changed == 0 and skipped:
        undone.undone_by_action_id = None
        session.flush()
    return result


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
