"""Making projects, their settings, their members, their end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts.models import User
from app.accounts.service import find_user
from app.core.clock import now
from app.core.errors import InvalidInput, NotFound
from app.projects.models import Member, Project
from app.projects.queries import get_project, list_projects_for
from app.projects.schemas import Charter, ProjectSettings, tidy_name
from app.web.access import RoleName

__all__ = [
    "archive",
    "create_project",
    "get_project",
    "list_projects_for",
    "remove_member",
    "set_member",
    "slug_from",
    "split_class_names",
    "unarchive",
    "update_settings",
]

RESERVED = frozenset({"new", "archived"})
SLUG_CHARACTERS = 48
MOST_CLASSES = 5000
_CLASS_NAME_CHARACTERS = 120


def create_project(
    session: Session, *, name: str, charter: Charter | Mapping[str, str] | None = None, user_id: int | None = None
) -> Project:
    """Make a project; its maker becomes its administrator. Its classes are made by `labelling.service.ensure_class`.

    `charter` maps the field names of `schemas.CHARTER` to answers. Raises InvalidInput for an empty name.
    """
    try:
        name = tidy_name(name)
    except ValueError as error:
        raise InvalidInput(f"A project's name {error}.", detail={"fields": {"name": str(error)}}) from error
    answers = charter if isinstance(charter, Charter) else Charter.model_validate(dict(charter or {}))
    project = Project(
        slug=_free_slug(session, name),
        name=name,
        created_at=now(),
        created_by=user_id,
        **{field: getattr(answers, field) for field in Charter.model_fields},
    )
    session.add(project)
    session.flush()
    if user_id is not None:
        session.add(Member(project_id=project.id, user_id=user_id, role="administrator"))
    audit.write(session, action="project.created", subject=name, user_id=user_id, project_id=project.id)
    session.flush()
    return project


def slug_from(name: str) -> str:
    """The part of the address that a name gives: a-z, 0-9 and hyphens, never empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:SLUG_CHARACTERS].strip("-") or "project"


def _free_slug(session: Session, name: str) -> str:
    base = slug_from(name)
    taken = set(session.scalars(select(Project.slug).where(Project.slug.startswith(base, autoescape=True))))
    taken |= RESERVED
    number, slug = 1, base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def split_class_names(text: str) -> list[str]:
    """Class names, one per line or separated by commas: trimmed, each once, in the order given.

    Raises InvalidInput for a name over 120 characters or more than 5,000 names.
    """
    names = list(dict.fromkeys(part for part in map(str.strip, re.split(r"[,\n\r]+", text)) if part))
    longest = max(names, key=len, default="")
    if len(longest) > _CLASS_NAME_CHARACTERS:
        raise InvalidInput(
            f"A class name has at most {_CLASS_NAME_CHARACTERS} characters; {longest[:40]!r}… has {len(longest)}."
        )
    if len(names) > MOST_CLASSES:
        raise InvalidInput(f"At most {MOST_CLASSES:,} classes at once; received {len(names):,}.")
    return names


def update_settings(session: Session, *, project_id: int, settings: ProjectSettings, user_id: int) -> None:
    """Change name, charter, cutoffs and policy; the address stays. What changed goes to the audit."""
    project = session.get_one(Project, project_id)
    changed: dict[str, object] = {}
    for field in ProjectSettings.model_fields:
        value = getattr(settings, field)
        if getattr(project, field) != value:
            changed[field] = value
            setattr(project, field, value)
    if changed:
        audit.write(
            session,
            action="project.settings",
            subject=project.name,
            user_id=user_id,
            project_id=project_id,
            detail=changed,
        )


def set_member(session: Session, *, project_id: int, name: str, role: RoleName, user_id: int) -> None:
    """Give the user of that name a role in the project, new or changed. Raises NotFound for an unknown name."""
    user = find_user(session, name)
    member = session.scalar(_membership(project_id, user.id))
    if member is None:
        session.add(Member(project_id=project_id, user_id=user.id, role=role))
    else:
        member.role = role
    _audit_member(session, "member.set", user, project_id=project_id, by=user_id, detail={"role": role})


def remove_member(session: Session, *, project_id: int, member_id: int, user_id: int) -> None:
    """Take a user (`member_id` is their user id) out of the project. Raises NotFound for who is no member."""
    if session.scalar(_membership(project_id, member_id)) is None:
        raise NotFound("There is no such member.")
    session.execute(delete(Member).where(Member.project_id == project_id, Member.user_id == member_id))
    user = session.get_one(User, member_id)
    _audit_member(session, "member.removed", user, project_id=project_id, by=user_id, detail={})


def _membership(project_id: int, user_id: int) -> Select[Member]:
    return select(Member).where(Member.project_id == project_id, Member.user_id == user_id)


def _audit_member(
    session: Session, action: str, user: User, *, project_id: int, by: int, detail: dict[str, object]
) -> None:
    audit.write(session, action=action, subject=user.name, user_id=by, project_id=project_id, detail=detail)


def archive(session: Session, *, project_id: int, user_id: int) -> None:
    """Make the project read-only."""
    project = session.get_one(Project, project_id)
    if project.archived_at is None:
        project.archived_at = now()
        audit.write(session, action="project.archived", subject=project.name, user_id=user_id, project_id=project_id)


def unarchive(session: Session, *, project_id: int, user_id: int) -> None:
    """Open an archived project again."""
    project = session.get_one(Project, project_id)
    if project.archived_at is not None:
        project.archived_at = None
        audit.write(session, action="project.unarchived", subject=project.name, user_id=user_id, project_id=project_id)
