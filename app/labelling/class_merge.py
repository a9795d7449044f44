"""Two classes into one: for good (labels move, undoable as one), or for a while (labels stay, training sees one)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, select, update
from sqlalchemy.orm import Session

from app.core.errors import Conflict, InvalidInput
from app.core.texts import tr
from app.labelling import events
from app.labelling.actions import Heading, close, open_action
from app.labelling.classes import class_in_use, end_class, ensure_class, get_class, note_act, one_at_a_time
from app.labelling.models import ClassAlias, LabelClass, SubClass
from app.labelling.schemas import ActionResult
from app.library.models import Image


def merge_classes(
    session: Session,
    *,
    project_id: int,
    source_id: int,
    target_id: int,
    user_id: int,
    keep_as_sub_class: bool = False,
    request_key: str | None = None,
) -> ActionResult:
    """Give every image of one class to another, as one action that undo takes back; the merged class is archived.

    Sub-classes go along by name, and aliases too. With `keep_as_sub_class` images without one get a sub-class named as
    the merged class, so that the two can be parted again.
    """
    one_at_a_time(session, project_id, source_id, target_id)
    source = class_in_use(session, project_id=project_id, class_id=source_id)
    target = class_in_use(session, project_id=project_id, class_id=target_id)
    if source.id == target.id:
        raise InvalidInput(tr("a class cannot be merged into itself"))
    heading = Heading(project_id, user_id, "merge", f"Merged {source.name} into {target.name}", request_key)
    action = open_action(session, heading)
    if isinstance(action, ActionResult):
        return action
    carries_it = (Image.project_id == project_id) & (Image.class_id == source.id)
    events.lock_images(session, list(session.scalars(select(Image.id).where(carries_it))))
    targets = {
        "class_id": events.constant("class_id", target.id),
        "sub_class_id": _mapped_sub_classes(session, project_id, source, target, keep_as_sub_class),
    }
    events.append_where(session, action, how="bulk", targets=targets, where=carries_it)
    result = close(session, action, [])
    end_class(session, source, merged_into_id=target.id, action_id=action.id)
    session.execute(update(LabelClass).where(LabelClass.merged_into_id == source.id).values(merged_into_id=target.id))
    theirs = update(ClassAlias).where(ClassAlias.class_id == source.id)
    session.execute(theirs.values(class_id=target.id, came_from_id=source.id))
    session.flush()
    return result


def train_as(session: Session, *, project_id: int, class_id: int, as_id: int, user_id: int) -> None:
    """Merge for a while: labels stay as they are; data sets, training and figures count the class as `as_id`.

    What trains as this class goes along. Model versions made meanwhile know one class, and keep knowing it afterwards.
    Raises Conflict where `as_id` itself trains as another, InvalidInput for a class with itself.
    """
    one_at_a_time(session, project_id)
    found = class_in_use(session, project_id=project_id, class_id=class_id)
    target = class_in_use(session, project_id=project_id, class_id=as_id)
    if found.id == target.id:
        raise InvalidInput(tr("a class cannot be merged with itself"))
    if target.trained_as_id is not None:
        other = get_class(session, project_id=project_id, class_id=target.trained_as_id)
        words = "%(name)s is itself trained as %(other)s; choose that, or part them first"
        raise Conflict(tr(words, name=target.name, other=other.name))
    session.execute(update(LabelClass).where(LabelClass.trained_as_id == found.id).values(trained_as_id=target.id))
    found.trained_as_id = target.id
    note_act(session, found, user_id, "class", f"Merged {found.name} with {target.name} for a while: trained as one")
    session.flush()


def part(session: Session, *, project_id: int, class_id: int, user_id: int) -> None:
    """End a merge for a while: the class is trained as itself again. Raises Conflict where it already is."""
    one_at_a_time(session, project_id)
    found = get_class(session, project_id=project_id, class_id=class_id)
    if found.trained_as_id is None:
        raise Conflict(tr("%(name)s is trained as itself already", name=found.name))
    target = get_class(session, project_id=project_id, class_id=found.trained_as_id)
    found.trained_as_id = None
    note_act(session, found, user_id, "class", f"Parted {found.name} from {target.name}: trained apart again")
    session.flush()


def _mapped_sub_classes(
    session: Session, project_id: int, source: LabelClass, target: LabelClass, keep: bool
) -> ColumnElement[int | None]:
    mapped = {}
    for sub_class in session.scalars(select(SubClass).where(SubClass.class_id == source.id)):
        mapped[sub_class.id] = ensure_class(session, project_id, target.name, sub_class.name)[1]
    without = ensure_class(session, project_id, target.name, source.name)[1] if keep else None
    fallback = events.constant("sub_class_id", without)
    whens = [(Image.sub_class_id == old, events.constant("sub_class_id", new)) for old, new in mapped.items()]
    return case(*whens, else_=fallback) if whens else fallback
