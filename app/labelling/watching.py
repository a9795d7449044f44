"""Watching classes: who is told when an identification finds new images for one."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.core.clock import now
from app.core.database import insert_into
from app.core.errors import Conflict, InvalidInput
from app.core.texts import tr
from app.labelling.classes import get_class
from app.labelling.models import LabelClass, folded
from app.labelling.watch_models import ClassWatch
from app.projects.models import Member

MOST: Final = 200


def watch(session: Session, *, project_id: int, class_id: int, user_id: int) -> LabelClass:
    """Tell this user of the class from now on; returns the class. Raises NotFound, Conflict for too many."""
    found = get_class(session, project_id=project_id, class_id=class_id)
    if len(watched_classes(session, project_id, user_id)) >= MOST:
        raise Conflict(tr("one person watches at most %(n)s classes of a project", n=MOST))
    row = {"user_id": user_id, "class_id": class_id, "created_at": now()}
    session.connection().execute(insert_into(session, ClassWatch).on_conflict_do_nothing(), [row])
    return found


def watch_by_name(session: Session, *, project_id: int, name: str, user_id: int) -> LabelClass:
    """The same for a class by its name, whatever its case. Raises InvalidInput where there is none."""
    wanted = (
        LabelClass.project_id == project_id,
        LabelClass.folded_name == folded(name),
        LabelClass.archived_at.is_(None),
    )
    class_id = session.scalar(select(LabelClass.id).where(*wanted))
    if class_id is None:
        raise InvalidInput(tr("there is no class %(name)s", name=name.strip()[:80] or "–"))
    return watch(session, project_id=project_id, class_id=class_id, user_id=user_id)


def unwatch(session: Session, *, project_id: int, class_id: int, user_id: int) -> LabelClass:
    """Tell this user no more; returns the class. Raises NotFound."""
    found = get_class(session, project_id=project_id, class_id=class_id)
    session.execute(delete(ClassWatch).where(ClassWatch.user_id == user_id, ClassWatch.class_id == class_id))
    return found


def is_watching(session: Session, class_id: int, user_id: int) -> bool:
    """Whether this user watches the class."""
    return session.get(ClassWatch, (user_id, class_id)) is not None


def watched_classes(session: Session, project_id: int, user_id: int) -> list[tuple[int, str]]:
    """(class id, name) of what this user watches in a project, by name."""
    rows = session.execute(
        select(LabelClass.id, LabelClass.name)
        .join(ClassWatch, ClassWatch.class_id == LabelClass.id)
        .where(LabelClass.project_id == project_id, ClassWatch.user_id == user_id)
        .order_by(LabelClass.name)
    )
    return [(class_id, name) for class_id, name in rows]


def class_names(session: Session, project_id: int) -> list[str]:
    """The names of the classes in use, for a list to choose from."""
    in_use = (LabelClass.project_id == project_id, LabelClass.archived_at.is_(None))
    return list(session.scalars(select(LabelClass.name).where(*in_use).order_by(LabelClass.name)))


def watchers(session: Session, project_id: int) -> dict[int, list[int]]:
    """User ids by the class they watch, members of the project alone. One that was merged counts as what it went into.

    Administrators of the installation are told without being members.
    """
    into = aliased(LabelClass)
    class_id = func.coalesce(into.id, LabelClass.id)
    is_member = (Member.user_id == ClassWatch.user_id) & (Member.project_id == project_id)
    rows = session.execute(
        select(class_id, ClassWatch.user_id)
        .distinct()
        .join(LabelClass, LabelClass.id == ClassWatch.class_id)
        .join(User, User.id == ClassWatch.user_id)
        .outerjoin(into, into.id == LabelClass.merged_into_id)
        .outerjoin(Member, is_member)
        .where(LabelClass.project_id == project_id, User.is_active, Member.id.is_not(None) | User.is_administrator)
        .order_by(class_id, ClassWatch.user_id)
    )
    found: dict[int, list[int]] = {}
    for watched, user_id in rows:
        found.setdefault(watched, []).append(user_id)
    return found
