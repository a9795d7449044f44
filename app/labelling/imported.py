"""The labels that an import brings: for images it added, never over what a person decided."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from app.labelling import events
from app.labelling.actions import Heading, open_action
from app.labelling.class_names import clean_name
from app.labelling.classes import ensure_class
from app.labelling.models import LabelAction, LabelEvent
from app.labelling.schemas import ActionResult
from app.library.models import Image, ImageState
from app.library.schemas import LabelRow


def label_imported(
    session: Session,
    project_id: int,
    user_id: int | None,
    rows: Sequence[LabelRow],
    *,
    batch_id: int | None = None,
    batch_name: str = "",
) -> int:
    """Give images the labels they arrived with, where they are in the pool; others stay. Returns how many.

    With `batch_id` all calls of that import share one action, so that it can be undone as one. Repeating a call
    changes nothing.
    """
    if not rows:
        return 0
    by_label: dict[tuple[str, str | None], list[events.Staged]] = {}
    for image_id, class_name, sub_class_name in rows:
        sub_name = clean_name(sub_class_name) if sub_class_name else None
        by_label.setdefault((clean_name(class_name), sub_name), []).append(events.Staged(image_id))
    action = _action_of(session, project_id, user_id, batch_id, batch_name)
    last = session.scalar(select(func.max(LabelEvent.id))) or 0
    earlier = aliased(LabelEvent)  # An act leaves one event at most on an image, and undo may have freed it since.
    once_labelled = exists().where(earlier.action_id == action.id, earlier.image_id == Image.id)
    conditions = (Image.state == ImageState.POOL.value, ~once_labelled)
    for (name, sub_name), staged in by_label.items():
        class_id, sub_class_id = ensure_class(session, project_id, name, sub_name, user_id)
        targets = {
            "state": events.constant("state", ImageState.LABELLED.value),
            "class_id": events.constant("class_id", class_id),
            "sub_class_id": events.constant("sub_class_id", sub_class_id),
        }
        events.append(session, action, how="import", step=events.Step(targets, staged, conditions=conditions))
    labelled = events.follow(session, action, after_event_id=last)
    action.images += labelled
    session.flush()
    return labelled


def _action_of(
    session: Session, project_id: int, user_id: int | None, batch_id: int | None, batch_name: str
) -> LabelAction:
    key = None if batch_id is None else f"import:{batch_id}"
    known = session.scalar(select(LabelAction).where(LabelAction.request_key == key).with_for_update()) if key else None
    if known is not None and known.undone_by_action_id is None:
        return known
    summary = f"Imported labels: {batch_name}" if batch_name else "Imported labels"
    heading = Heading(project_id, user_id, "import", summary[:500], None if known else key)
    opened = open_action(session, heading)
    return session.get_one(LabelAction, opened.action_id) if isinstance(opened, ActionResult) else opened
