"""The answers to who asks and what they may, from users, members and projects: what `web` is assembled with."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.accounts import sessions, tokens
from app.accounts.roles import allows, lesser
from app.core.database import read
from app.core.errors import Conflict, Forbidden, NotFound
from app.projects.models import Project
from app.projects.notices import unread_count
from app.projects.queries import find_project, list_projects_for, project_ref, role_in
from app.web.access import Access, Caller, ProjectRef, RoleName, TokenScope


class MemberGatekeeper:
    """Implements `app.web.access.Gatekeeper`; every call has its own short read session."""

    def identify(self, *, session_token: str | None, bearer: str | None) -> Caller | None:
        """The caller of a bearer token, which wins, else of a session cookie."""
        if bearer is not None:
            return _caller_of_token(bearer)
        if session_token is None:
            return None
        with read() as session:
            found = sessions.find_session(session, session_token)
        if found is None:
            return None
        sessions.touch(found)
        return Caller(
            user_id=found.user_id,
            user_name=found.user_name,
            is_administrator=found.is_administrator,
            session_id=found.session_id,
            must_change_password=found.must_change_password,
        )

    def admit(self, caller: Caller, *, slug: str | None, role: RoleName, writes: bool, archived_too: bool) -> Access:
        """Let the caller in with at least `role`; see the contract."""
        project, own = _place_of(caller, slug)
        if not allows(own, role):
            raise Forbidden(f"This needs the role {role}; you are {own} in {project.name}.")
        if project.is_archived and writes and role != "viewer" and not archived_too:
            raise Conflict(f"{project.name} is archived and read-only.", code="archived")
        token = caller.token
        return Access(
            user_id=caller.user_id,
            user_name=caller.user_name,
            role=own,
            project=project,
            client=token.name if token else caller.user_name,
            token_id=token.id if token else None,
        )

    def allows(self, role: RoleName | None, needed: RoleName) -> bool:
        """Whether `role` includes what `needed` may do."""
        return role is not None and allows(role, needed)

    def projects_of(self, caller: Caller) -> list[tuple[ProjectRef, RoleName]]:
        """The caller's projects with the role in each; a token sees its own alone."""
        with read() as session:
            found = list_projects_for(session, user_id=caller.user_id, is_administrator=caller.is_administrator)
        only = caller.token.project_id if caller.token else None
        return [(project_ref(project), role) for project, role in found if only in (None, project.id)]

    def unread_of(self, caller: Caller) -> int:
        """How many notices of projects that the caller may see are unread."""
        with read() as session:
            return unread_count(session, caller.user_id, is_administrator=caller.is_administrator)


def _caller_of_token(bearer: str) -> Caller | None:
    with read() as session:
        use = tokens.find_token(session, bearer)
    if use is None:
        return None
    tokens.touch(use)
    scope = TokenScope(id=use.token_id, name=use.token_name, project_id=use.project_id, role=use.role)
    return Caller(user_id=use.user_id, user_name=use.user_name, is_administrator=use.is_administrator, token=scope)


def _place_of(caller: Caller, slug: str | None) -> tuple[ProjectRef, RoleName]:
    """The project and the caller's role in it: a token's role, but never above what its user has now."""
    token = caller.token
    if slug is None and token is None:
        raise Forbidden("This address finds its project by an API token.")
    with read() as session:
        project = find_project(session, slug=slug, project_id=token.project_id if token else None)
        own = role_of(session, caller, project) if project else None
    if project is None or own is None:
        raise NotFound("There is no such project, or you are not a member of it.")
    return project_ref(project), lesser(own, token.role) if token else own


def role_of(session: Session, caller: Caller, project: Project) -> RoleName | None:
    """The user's role in the project."""
    return role_in(session, project_id=project.id, user_id=caller.user_id, is_administrator=caller.is_administrator)
