"""Projects and members."""

from __future__ import annotations

import itertools

from sqlalchemy.orm import Session

from app.projects import service
from app.projects.models import Member, Project

_numbers = itertools.count(1)


def make_project(session: Session, name: str = "", *, user_id: int | None = None) -> Project:
    """A project; `user_id` becomes its administrator."""
    return service.create_project(session, name=name or f"Project {next(_numbers)}", user_id=user_id)


def add_member(session: Session, *, project_id: int, user_id: int, role: str) -> Member:
    """A member of a project."""
    member = Member(project_id=project_id, user_id=user_id, role=role)
    session.add(member)
    session.flush()
    return member
