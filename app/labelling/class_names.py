"""Names of classes: how they are kept, that each is there once in a project, aliases included, and finding one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.errors import Conflict, InvalidInput
from app.core.texts import tr
from app.labelling.models import ClassAlias, LabelClass, SubClass, folded
from app.labelling.schemas import MAX_ALIASES, MAX_NAME

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(name: str) -> str:
    """A name as we keep it: composed (NFC), single spaces, no control or text-reordering characters, cut at MAX_NAME.

    Raises InvalidInput if nothing is left.
    """
    composed = unicodedata.normalize("NFC", name)
    visible = "".join(
        " " if unicodedata.category(sign) in {"Cc", "Cs"} else sign for sign in composed if sign not in _REORDERING
    )
    cleaned = " ".join(visible.split())[:MAX_NAME].strip()
    if not cleaned:
        raise InvalidInput(tr("a name needs at least one visible character"))
    return cleaned


def clean_aliases(names: Sequence[str], *, name: str) -> list[str]:
    """Aliases as we keep them: each once whatever its capitals, without the class's own name. Raises InvalidInput."""
    kept = {folded(cleaned): cleaned for cleaned in (clean_name(each) for each in names if each.strip())}
    kept.pop(folded(name), None)
    if len(kept) > MAX_ALIASES:
        raise InvalidInput(
            tr("a class has at most %(most)s aliases; received %(count)s", most=MAX_ALIASES, count=len(kept))
        )
    return list(kept.values())


def class_named(session: Session, project_id: int, name: str) -> LabelClass | None:
    """The class of that name or alias, whatever its capitals, archived ones included."""
    key = folded(name)
    own = select(LabelClass).where(LabelClass.project_id == project_id, LabelClass.folded_name == key)
    found = session.scalar(own)
    if found is not None:
        return found
    alias = select(ClassAlias.class_id).where(ClassAlias.project_id == project_id, ClassAlias.folded_name == key)
    return session.scalar(select(LabelClass).where(LabelClass.id.in_(alias)))


def sub_class_named(session: Session, class_id: int, name: str) -> SubClass | None:
    """The sub-class of that name, whatever its capitals."""
    key = folded(name)
    known = session.scalars(select(SubClass).where(SubClass.class_id == class_id))
    return next((sub_class for sub_class in known if folded(sub_class.name) == key), None)


def require_free(session: Session, project_id: int, name: str, *, but: int | None = None) -> None:
    """Raises Conflict where another class has that name or alias."""
    taken = class_named(session, project_id, name)
    if taken is None or taken.id == but:
        return
    if folded(taken.name) != folded(name):
        raise Conflict(tr("%(name)s is an alias of the class %(owner)s", name=name, owner=taken.name))
    if taken.archived_at is not None:
        raise Conflict(tr("a class %(name)s is archived; bring it back", name=taken.name))
    raise Conflict(tr("a class %(name)s exists already", name=taken.name))


def aliases_of(session: Session, class_id: int) -> list[str]:
    """The aliases of a class, by name."""
    query = select(ClassAlias.name).where(ClassAlias.class_id == class_id)
    return list(session.scalars(query.order_by(ClassAlias.folded_name)))


def set_aliases(session: Session, owner: LabelClass, names: Sequence[str]) -> bool:
    """Give a class these aliases and no others; whether that changed anything.

    Raises Conflict where a name is taken, InvalidInput for more than MAX_ALIASES.
    """
    wanted = clean_aliases(names, name=owner.name)
    for name in wanted:
        require_free(session, owner.project_id, name, but=owner.id)
    if sorted(wanted) == sorted(aliases_of(session, owner.id)):
        return False
    session.execute(delete(ClassAlias).where(ClassAlias.class_id == owner.id))
    for name in wanted:
        session.add(ClassAlias(project_id=owner.project_id, class_id=owner.id, name=name))
    session.flush()
    return True


def add_alias(session: Session, owner: LabelClass, name: str) -> None:
    """One more alias. Raises as `set_aliases`."""
    set_aliases(session, owner, [*aliases_of(session, owner.id), name])
