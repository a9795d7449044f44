"""Classes and sub-classes: make, rename, archive, bring back. Merging is in class_merge.py, parting in class_parts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.texts import tr
from app.labelling.class_names import (
    class_named,
    clean_name,
    require_free,
    set_aliases,
    sub_class_named,
)
from app.labelling.models import ClassAlias, LabelAction, LabelClass, SubClass, folded
from app.library.models import ImageCount
from app.projects.models import Project

_COLOUR = re.compile(r"#[0-9a-f]{6}")


def get_class(session: Session, *, project_id: int, class_id: int) -> LabelClass:
    """A class of the project. Raises NotFound."""
    found = session.get(LabelClass, class_id)
    if found is None or found.project_id != project_id:
        raise NotFound(tr("no class %(id)s in this project", id=class_id))
    return found


def class_in_use(session: Session, *, project_id: int, class_id: int) -> LabelClass:
    """A class that may be given as a label, and stays so until the commit. Raises NotFound, or Conflict if archived."""
    found = session.get(LabelClass, class_id, with_for_update={"read": True})
    if found is None or found.project_id != project_id:
        raise NotFound(tr("no class %(id)s in this project", id=class_id))
    if found.archived_at is not None:
        raise Conflict(tr("the class %(name)s is archived; bring it back before labelling with it", name=found.name))
    return found


def sub_class_of(session: Session, *, class_id: int, sub_class_id: int) -> SubClass:
    """A sub-class of the class. Raises NotFound."""
    found = session.get(SubClass, sub_class_id)
    if found is None or found.class_id != class_id:
        raise NotFound(tr("no sub-class %(id)s in class %(class_id)s", id=sub_class_id, class_id=class_id))
    return found


def create_class(
    session: Session,
    *,
    project_id: int,
    name: str,
    note: str = "",
    user_id: int | None = None,
    aliases: Sequence[str] = (),
    colour: str = "",
    key: str = "",
) -> LabelClass:
    """A new class. Raises Conflict where one of that name or alias exists, whatever its capitals, archived ones too."""
    cleaned = clean_name(name)
    one_at_a_time(session, project_id)
    require_free(session, project_id, cleaned)
    made = LabelClass(project_id=project_id, name=cleaned, note=note, created_at=now(), created_by=user_id)
    session.add(made)
    session.flush()
    _set_looks(session, made, colour, key)
    set_aliases(session, made, aliases)
    note_act(session, made, user_id, "class", f"Made the class {cleaned}")
    return made


def create_sub_class(
    session: Session, *, project_id: int, class_id: int, name: str, user_id: int | None = None
) -> SubClass:
    """A new sub-class. Raises Conflict where the class has one of that name."""
    one_at_a_time(session, project_id)
    owner = class_in_use(session, project_id=project_id, class_id=class_id)
    cleaned = clean_name(name)
    if sub_class_named(session, class_id, cleaned) is not None:
        raise Conflict(tr("%(name)s already has a sub-class %(sub)s", name=owner.name, sub=cleaned))
    made = SubClass(class_id=class_id, name=cleaned)
    session.add(made)
    session.flush()
    note_act(session, owner, user_id, "class", f"Made the sub-class {owner.name} / {cleaned}")
    return made


def ensure_class(
    session: Session, project_id: int, name: str, sub_name: str | None = None, user_id: int | None = None
) -> tuple[int, int | None]:
    """The ids of a class and sub-class by name or alias, made where they do not exist, brought back where archived.

    A class that was merged into another stands for that other.
    """
    cleaned = clean_name(name)
    one_at_a_time(session, project_id)
    found = class_named(session, project_id, cleaned)
    if found is None:
        found = create_class(session, project_id=project_id, name=cleaned, user_id=user_id)
    elif found.archived_at is not None:
        target = session.get(LabelClass, found.merged_into_id) if found.merged_into_id else None
        if target is not None and target.archived_at is None:
            found = target
        else:
            _bring_back(session, found)
    if not sub_name or not sub_name.strip():
        return found.id, None
    cleaned_sub = clean_name(sub_name)
    sub_class = sub_class_named(session, found.id, cleaned_sub)
    if sub_class is None:
        sub_class = SubClass(class_id=found.id, name=cleaned_sub)
        session.add(sub_class)
        session.flush()
    return found.id, sub_class.id


def change_class(
    session: Session,
    *,
    project_id: int,
    class_id: int,
    name: str,
    note: str,
    user_id: int,
    aliases: Sequence[str] | None = None,
    colour: str | None = None,
    key: str | None = None,
) -> LabelClass:
    """Rename a class, keep its labelling standard, aliases, colour and key; None leaves a part as it is.

    Model versions keep the names they were trained with; the old name stays as an alias where that is asked by naming
    it among the aliases. Raises Conflict for a name or key that is taken.
    """
    one_at_a_time(session, project_id)
    found = get_class(session, project_id=project_id, class_id=class_id)
    cleaned = clean_name(name)
    before = found.name
    if cleaned != before:
        require_free(session, project_id, cleaned, but=found.id)
        words = f"Renamed the class {before} to {cleaned}"
        note_act(session, found, user_id, "class", words)
    if note != found.note:
        note_act(session, found, user_id, "class", f"Wrote the standard of {cleaned}")
    found.name, found.note = cleaned, note
    session.flush()
    has_new = _set_looks(session, found, colour, key)
    if aliases is not None:
        has_new |= set_aliases(session, found, aliases)
    if has_new:
        note_act(session, found, user_id, "class", f"Changed aliases, colour or key of {cleaned}")
    return found


def _set_looks(session: Session, owner: LabelClass, colour: str | None, key: str | None) -> bool:
    """Colour and key; None leaves them, "" takes them away. Raises InvalidInput, or Conflict for a taken key."""
    before = (owner.colour, owner.key)
    if colour is not None:
        shade = colour.strip().lower()
        if shade and not _COLOUR.fullmatch(shade):
            raise InvalidInput(tr("a colour is written #rrggbb; received %(colour)s", colour=colour[:20]))
        owner.colour = shade or None
    if key is not None:
        sign = folded(key.strip())
        if sign and (len(sign) != 1 or not sign.isalnum()):
            raise InvalidInput(tr("a key is one letter or digit; received %(key)s", key=key[:20]))
        _require_free_key(session, owner, sign)
        owner.key = sign or None
    session.flush()
    return (owner.colour, owner.key) != before


def _require_free_key(session: Session, owner: LabelClass, sign: str) -> None:
    if not sign:
        return
    query = select(LabelClass.name).where(LabelClass.project_id == owner.project_id, LabelClass.key == sign)
    holder = session.scalar(query.where(LabelClass.id != owner.id))
    if holder is not None:
        raise Conflict(tr("the key %(key)s belongs to the class %(name)s", key=sign, name=holder))


def rename_sub_class(
    session: Session, *, project_id: int, class_id: int, sub_class_id: int, name: str, user_id: int
) -> SubClass:
    """Rename a sub-class."""
    one_at_a_time(session, project_id)
    owner = get_class(session, project_id=project_id, class_id=class_id)
    found = sub_class_of(session, class_id=class_id, sub_class_id=sub_class_id)
    cleaned = clean_name(name)
    taken = sub_class_named(session, class_id, cleaned)
    if taken is not None and taken.id != found.id:
        raise Conflict(tr("%(name)s already has a sub-class %(sub)s", name=owner.name, sub=cleaned))
    note_act(session, owner, user_id, "class", f"Renamed {owner.name} / {found.name} to {cleaned}")
    found.name = cleaned
    session.flush()
    return found


def archive_class(session: Session, *, project_id: int, class_id: int, user_id: int) -> None:
    """Put a class out of use. Raises Conflict while images carry it: merge or relabel those first."""
    one_at_a_time(session, project_id, class_id)
    found = class_in_use(session, project_id=project_id, class_id=class_id)
    carried = labelled_images(session, project_id, class_id)
    if carried:
        raise Conflict(
            tr(
                "%(n)s images carry %(name)s; merge it into another class or relabel them first",
                n=f"{carried:,}",
                name=found.name,
            )
        )
    end_class(session, found)
    note_act(session, found, user_id, "class", f"Archived the class {found.name}")
    session.flush()


def bring_back_class(session: Session, *, project_id: int, class_id: int, user_id: int) -> None:
    """Put an archived class into use again."""
    found = get_class(session, project_id=project_id, class_id=class_id)
    if found.archived_at is not None:
        _bring_back(session, found)
        note_act(session, found, user_id, "class", f"Brought back the class {found.name}")
        session.flush()


def _bring_back(session: Session, found: LabelClass) -> None:
    found.archived_at = None
    found.merged_into_id = None
    session.flush()


def end_class(
    session: Session, ended: LabelClass, *, merged_into_id: int | None = None, action_id: int | None = None
) -> None:
    """Put a class out of use: it trains as nothing else, nothing trains as it, and its key is free again.

    `action_id` is the act on labels that ends it.
    """
    ended.archived_at = now()
    ended.merged_into_id = merged_into_id
    ended.ended_by_action_id = action_id
    ended.trained_as_id = None
    ended.key = None
    session.execute(update(LabelClass).where(LabelClass.trained_as_id == ended.id).values(trained_as_id=merged_into_id))
    session.execute(update(LabelClass).where(LabelClass.id == LabelClass.trained_as_id).values(trained_as_id=None))
    session.flush()


def turn_back(session: Session, undone: LabelAction) -> None:
    """What undoing an act means for classes, once the images follow it.

    Those that it ended are back, with their aliases; those that it made end where they carry no label.
    """
    classes = select(LabelClass).where(LabelClass.project_id == undone.project_id)
    for ended in session.scalars(classes.where(LabelClass.ended_by_action_id == undone.id)):
        ended.archived_at = ended.merged_into_id = ended.ended_by_action_id = None
        theirs = update(ClassAlias).where(ClassAlias.came_from_id == ended.id)
        session.execute(theirs.values(class_id=ended.id, came_from_id=None))
    made = classes.where(LabelClass.made_by_action_id == undone.id, LabelClass.archived_at.is_(None))
    for empty in session.scalars(made).all():
        if not labelled_images(session, undone.project_id, empty.id):
            end_class(session, empty)
    session.flush()


def labelled_images(session: Session, project_id: int, class_id: int) -> int:
    """How many images carry a class, from the kept counts."""
    kept = select(func.coalesce(func.sum(ImageCount.images), 0))
    found = session.scalar(kept.where(ImageCount.project_id == project_id, ImageCount.class_id == class_id))
    return int(found or 0)


def one_at_a_time(session: Session, project_id: int, *ended: int) -> None:
    """Changes of a project's classes wait for each other; those that end classes, for labels being given too.

    (SQLite's write lock does it all.) Classes are locked before images, in the order of ids, as labels are given.
    """
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))
    if ended:
        held = select(LabelClass.id).where(LabelClass.id.in_(ended)).order_by(LabelClass.id)
        session.execute(held.with_for_update(key_share=True)).all()


def note_act(session: Session, owner: LabelClass, user_id: int | None, kind: str, summary: str) -> None:
    """Note an act on a class in the history."""
    session.add(
        LabelAction(
            project_id=owner.project_id,
            user_id=user_id,
            kind=kind,
            summary=summary[:500],
            images=0,
            skipped=[],
            skipped_count=0,
            created_at=now(),
        )
    )
