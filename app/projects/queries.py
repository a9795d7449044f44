"""Projects and members as they are read."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.accounts.roles import as_role
from app.core.errors import NotFound
from app.projects.models import Member, Project
from app.projects.schemas import MemberRow
from app.web.access import ProjectRef, RoleName


def get_project(session: Session, slug: str) -> Project:
    """The project of an address. Raises NotFound."""
    project = session.scalar(select(Project).where(Project.slug == slug))
    if project is None:
        raise NotFound(f"There is no project {slug[:80]}.")
    return project


def find_project(session: Session, *, slug: str | None, project_id: int | None) -> Project | None:
    """The project of that slug, of that id, or of both when both are given; None where there is none."""
    query = select(Project)
    if slug is not None:
        query = query.where(Project.slug == slug)
    if project_id is not None:
        query = query.where(Project.id == project_id)
    return session.scalar(query)


def project_ref(project: Project) -> ProjectRef:
    """What pages need of a project."""
    return ProjectRef(
        id=project.id,
        slug=project.slug,
        name=project.name,
        lower_cutoff=project.lower_cutoff,
        upper_cutoff=project.upper_cutoff,
        is_archived=project.archived_at is not None,
    )


def role_in(session: Session, *, project_id: int, user_id: int, is_administrator: bool) -> RoleName | None:
    """A user's role in a project; None for who is no member. Administrators of the installation have every right."""
    if is_administrator:
        return "administrator"
    query = select(Member.role).where(Member.project_id == project_id, Member.user_id == user_id)
    role = session.scalar(query)
    return as_role(role) if role is not None else None


def list_projects_for(session: Session, *, user_id: int, is_administrator: bool) -> list[tuple[Project, RoleName]]:
    """The user's projects with the role in each, by name; archived ones last."""
    order = (Project.archived_at.is_not(None), Project.name, Project.id)
    if is_administrator:
        return [(project, "administrator") for project in session.scalars(select(Project).order_by(*order))]
    query = select(Project, Member.role).join(Member, Member.project_id == Project.id)
    rows = session.execute(query.where(Member.user_id == user_id).order_by(*order))
    return [(project, as_role(role)) for project, role in rows]


def members(session: Session, project_id: int) -> list[MemberRow]:
    """The members of a project, by name."""
    query = select(User.id, User.name, Member.role, User.is_active).join(Member, Member.user_id == User.id)
    rows = session.execute(query.where(Member.project_id == project_id).order_by(User.name))
    return [MemberRow(user_id=row[0], name=row[1], role=row[2], is_active=row[3]) for row in rows]
