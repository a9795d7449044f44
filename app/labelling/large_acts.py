"""Acts on more images than one transaction takes, and their undo: runs that go on part by part, one act each.

What is acted on is frozen first, so that a run that was killed goes on with the same images; a repeated part changes
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import Json, id_rows, read, write
from app.core.errors import Forbidden, InvalidInput
from app.core.storage import get_storage, written_beside
from app.core.texts import tr
from app.labelling import events
from app.labelling.actions import Heading, held_back, reopen_classes, who_and_what
from app.labelling.models import LabelAction, LabelEvent
from app.labelling.parts import action_of, close_with, do_part, left_by, once_changed
from app.labelling.schemas import MAX_IMAGES, SKIPPED_SHOWN, Act, ActionResult, LabelRequest, Skipped
from app.labelling.service import step_of, summary_of
from app.labelling.undo import begin_undo, settle_undo, take_back, to_be_undone
from app.library.models import Image
from app.library.selection import resolve
from app.runs.context import RunContext
from app.runs.service import request_run

ACT: Final = "labelling.act"
UNDO: Final = "labelling.undo"
MOST: Final = 10_000_000
_PART: Final = 1000
_FOLDER: Final = "acts"


def request_act(
    session: Session, request: LabelRequest, *, project_id: int, user_id: int, may_remove_many: bool
) -> int:
    """Queue an act on all that match a filter; returns its run. Needs a write session.

    Raises Forbidden for a removal by somebody who may not, InvalidInput without a filter, else as `act_on` does.
    """
    if request.selection is None or request.selection.filter is None:
        raise InvalidInput(tr("an act in the background takes a selection by filter"))
    if request.act is Act.REMOVE and not may_remove_many:
        raise Forbidden(
            tr("removing more than %(most)s images at once needs the role engineer", most=f"{MAX_IMAGES:,}")
        )
    return request_run(
        session,
        project_id=project_id,
        kind=ACT,
        title=summary_of(session, request, project_id=project_id)[:200],
        parameters={"request": request.model_dump(mode="json", exclude_unset=True)},
        created_by=user_id,
        coalesce_key=f"act:{project_id}:{user_id}:{request.request_key}" if request.request_key else None,
    )


def act(context: RunContext) -> None:
    """Do an act part by part, then note what it left as it was. Repeatable."""
    request = LabelRequest.model_validate(context.parameters["request"])
    with read() as session:
        summary = summary_of(session, request, project_id=context.project_id)
    heading = Heading(context.project_id, context.created_by, request.act.value, summary, f"act-run:{context.run_id}")
    image_ids = _frozen(context, request)
    with write() as session:
        action_id = action_of(session, heading).id

    def change(part: Sequence[int]) -> None:
        with write() as session:
            action = action_of(session, heading)
            step = _step(session, context, request, part)
            do_part(session, action, [replace(step, conditions=(*step.conditions, ~once_changed(action)))], how="bulk")

    def left_out(part: Sequence[int]) -> list[Skipped]:
        with read() as session:
            held = held_back(session, context.project_id, _step(session, context, request, part))
            left = set(left_by(session, action_id, [row.image_id for row in held]))
        return [row for row in held if row.image_id in left]

    _in_parts(context, image_ids, change, summary)
    shown, count = _gathered(context, image_ids, left_out)
    with write() as session:
        result = close_with(session, action_of(session, heading), shown, count)
        context.complete(session, _told(result))
    _file(context.run_id).unlink(missing_ok=True)


def is_large(session: Session, action_id: int) -> bool:
    """Whether undoing an act takes a run."""
    query = select(LabelAction.id).where(LabelAction.id == action_id, LabelAction.images > MAX_IMAGES)
    return session.scalar(query) is not None


def request_undo(session: Session, action_id: int, *, project_id: int, user_id: int, may_undo_others: bool) -> int:
    """Queue the undo of a large act; returns its run. Raises as `undo` does. Needs a write session."""
    undone = to_be_undone(session, action_id, project_id=project_id, user_id=user_id, may_undo_others=may_undo_others)
    return request_run(
        session,
        project_id=project_id,
        kind=UNDO,
        title=f"Undo: {undone.summary}"[:200],
        parameters={"action_id": action_id},
        created_by=user_id,
        coalesce_key=f"undo:{action_id}",
    )


def undo_large(context: RunContext) -> None:
    """Take an act back part by part; what somebody changed since stays. Repeatable."""
    with write() as session:
        undone = session.get_one(LabelAction, context.parameters["action_id"])
        begun = begin_undo(session, undone, user_id=context.created_by, request_key=f"undo-run:{context.run_id}")
        action_id = begun.action_id if isinstance(begun, ActionResult) else begun.id
        undone_id, summary = undone.id, undone.summary
    with read() as session:
        changed = select(LabelEvent.image_id).where(LabelEvent.action_id == undone_id)
        image_ids = session.scalars(changed.order_by(LabelEvent.image_id)).all()

    def give_back(part: Sequence[int]) -> None:
        with write() as session:
            action, undone = (session.get_one(LabelAction, each) for each in (action_id, undone_id))
            last = session.scalar(select(func.max(LabelEvent.id))) or 0
            events.lock_images(session, part)
            take_back(session, action, undone, Image.id.in_(id_rows(session, list(part))))
            action.images += events.follow(session, action, after_event_id=last)

    def left_out(part: Sequence[int]) -> list[Skipped]:
        with read() as session:
            left = left_by(session, action_id, part)
            why = func.coalesce("changed since", "")
            return who_and_what(session, Image.id.in_(left), why=why) if left else []

    _in_parts(context, image_ids, give_back, summary)
    shown, count = _gathered(context, image_ids, left_out)
    with write() as session:
        action, undone = (session.get_one(LabelAction, each) for each in (action_id, undone_id))
        reopen_classes(session, action)
        result = settle_undo(session, undone, action, close_with(session, action, shown, count))
        context.complete(session, _told(result))


def _step(session: Session, context: RunContext, request: LabelRequest, part: Sequence[int]) -> events.Step:
    return step_of(session, request, part, project_id=context.project_id, user_id=context.created_by)


def _in_parts(
    context: RunContext, image_ids: Sequence[int], change: Callable[[Sequence[int]], None], words: str
) -> None:
    for start in range(0, len(image_ids), _PART):
        part, began = image_ids[start : start + _PART], time.monotonic()
        change(part)
        context.progress(start + len(part), len(image_ids), words)
        time.sleep(time.monotonic() - began)  # others write as long as this did


def _gathered(
    context: RunContext, image_ids: Sequence[int], left_out: Callable[[Sequence[int]], list[Skipped]]
) -> tuple[list[Skipped], int]:
    shown: list[Skipped] = []
    count = 0
    for start in range(0, len(image_ids), _PART):
        found = left_out(image_ids[start : start + _PART])
        shown, count = [*shown, *found][:SKIPPED_SHOWN], count + len(found)
        context.raise_if_cancelled()
    return shown, count


def _frozen(context: RunContext, request: LabelRequest) -> list[int]:
    """The images of an act's selection as they were when the run first looked, the newest first."""
    path = _file(context.run_id)
    if not path.is_file():
        if request.selection is None:
            raise InvalidInput("an act in the background takes a selection by filter")
        with read() as session:
            found = resolve(session, context.project_id, request.selection, MOST)
        with written_beside(path) as file:
            file.write("\n".join(map(str, found)).encode())
    return [int(line) for line in path.read_text("ascii").split()]


def _told(result: ActionResult) -> Json:
    return {"action_id": result.action_id, "images": result.changed, "left_as_they_were": result.skipped_count}


def _file(run_id: int) -> Path:
    return get_storage().file_path(_FOLDER, f"{run_id}.ids")
