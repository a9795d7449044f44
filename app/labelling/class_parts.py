"""A class taken apart or ended: split by sub-class, images made a class of their own, deleted with a stated end.

Each is one action: undo gives every image its label back, and the class is in use again with its first label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, null, select
from sqlalchemy.orm import Session

from app.core.errors import InvalidInput
from app.core.texts import tr
from app.labelling import events
from app.labelling.actions import Heading, close, open_action
from app.labelling.class_merge import merge_classes
from app.labelling.classes import class_in_use, create_class, end_class, one_at_a_time, sub_class_of
from app.labelling.events import Targets
from app.labelling.models import LabelAction, LabelClass
from app.labelling.schemas import ActionResult
from app.labelling.service import apply_one_label_to
from app.library.models import Image, ImageState


class LabelsGo(StrEnum):
    """What becomes of the images of a class that is deleted."""

    POOL = "pool"
    UNKNOWN = "unknown"
    CLASS = "class"


def split_by_sub_class(
    session: Session,
    *,
    project_id: int,
    class_id: int,
    names: Mapping[int, str],
    user_id: int,
    request_key: str | None = None,
) -> ActionResult:
    """Make classes of some sub-classes (`names`: the new class's name by sub-class id), as one action.

    Images of the other sub-classes, or of none, stay in the class. Raises InvalidInput for no sub-class, NotFound for
    one of another class, Conflict for a name that is taken.
    """
    if not names:
        raise InvalidInput(tr("choose at least one sub-class to make a class of"))
    one_at_a_time(session, project_id)
    found = class_in_use(session, project_id=project_id, class_id=class_id)
    heading = Heading(project_id, user_id, "split", f"Split {found.name} by sub-class", request_key)
    action = open_action(session, heading)
    if isinstance(action, ActionResult):
        return action
    made = {}
    for sub_id, name in names.items():
        sub_class_of(session, class_id=class_id, sub_class_id=sub_id)
        new = create_class(session, project_id=project_id, name=name, user_id=user_id)
        new.made_by_action_id, made[sub_id] = action.id, new.id
    moves = Image.class_id == class_id, Image.sub_class_id.in_(list(made))
    targets = {
        "class_id": case(*((Image.sub_class_id == old, new) for old, new in made.items()), else_=Image.class_id),
        "sub_class_id": cast(null(), BigInteger),
    }
    return _move(session, action, targets, and_(Image.project_id == project_id, *moves))


def split_off(
    session: Session,
    *,
    project_id: int,
    name: str,
    image_ids: Sequence[int],
    user_id: int,
    versions: Mapping[int, int] | None = None,
    request_key: str | None = None,
) -> tuple[LabelClass, ActionResult]:
    """Make a class of some images, up to 10,000, whatever they carry, as one action. Raises as `create_class`."""
    made = create_class(session, project_id=project_id, name=name, user_id=user_id)
    result = apply_one_label_to(
        session,
        project_id=project_id,
        user_id=user_id,
        image_ids=image_ids,
        class_id=made.id,
        kind="split",
        summary=f"Made the class {made.name} of a selection",
        expected_versions=versions,
        request_key=request_key,
    )
    made.made_by_action_id = result.action_id
    session.flush()
    return made, result


def delete_class(
    session: Session,
    *,
    project_id: int,
    class_id: int,
    labels_go: LabelsGo,
    user_id: int,
    target_id: int | None = None,
    request_key: str | None = None,
) -> ActionResult:
    """Put a class out of use and its images where `labels_go` says: the pool, unknown, or the class `target_id`.

    Its row stays, archived, for the history and for older versions. Raises InvalidInput where `target_id` does not fit.
    """
    if (labels_go is LabelsGo.CLASS) != (target_id is not None):
        raise InvalidInput(tr("say which class gets the labels, or that none does"))
    if target_id is not None:
        return merge_classes(
            session,
            project_id=project_id,
            source_id=class_id,
            target_id=target_id,
            user_id=user_id,
            request_key=request_key,
        )
    one_at_a_time(session, project_id, class_id)
    found = class_in_use(session, project_id=project_id, class_id=class_id)
    where = "back to the pool" if labels_go is LabelsGo.POOL else "set aside as unknown"
    heading = Heading(project_id, user_id, "delete", f"Deleted the class {found.name}: its images {where}", request_key)
    action = open_action(session, heading)
    if isinstance(action, ActionResult):
        return action
    state = ImageState.POOL if labels_go is LabelsGo.POOL else ImageState.UNKNOWN
    targets = {
        "state": events.constant("state", state.value),
        "class_id": events.constant("class_id", None),
        "sub_class_id": events.constant("sub_class_id", None),
    }
    result = _move(session, action, targets, and_(Image.project_id == project_id, Image.class_id == class_id))
    end_class(session, found, action_id=result.action_id)
    return result


def _move(session: Session, action: LabelAction, targets: Targets, where: ColumnElement[bool]) -> ActionResult:
    events.lock_images(session, list(session.scalars(select(Image.id).where(where))))
    events.append_where(session, action, how="bulk", targets=targets, where=where)
    return close(session, action, [])
