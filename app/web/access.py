"""Who asks and what they may: the plain values that routes receive, and the contract of whoever decides.

`web` lies below accounts and projects, so it names only the questions; the application is assembled with a `Gatekeeper`
that answers them (`app.projects.gatekeeper`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from app.core.errors import Conflict

RoleName = Literal["viewer", "labeller", "reviewer", "engineer", "administrator"]


@dataclass(frozen=True)
class ProjectRef:
    """What pages need of a project."""

    id: int
    slug: str
    name: str
    lower_cutoff: int
    upper_cutoff: int
    is_archived: bool = False


@dataclass(frozen=True)
class TokenScope:
    """The API token a client application came with: it opens one project, in one role at most."""

    id: int
    name: str
    project_id: int
    role: RoleName


@dataclass(frozen=True)
class Caller:
    """Someone with a valid session or token. `session_id` is None for a token."""

    user_id: int
    user_name: str
    is_administrator: bool
    session_id: int | None = None
    token: TokenScope | None = None
    must_change_password: bool = False


@dataclass(frozen=True)
class Access:
    """A caller inside a project, with the role that applies there. `client` names the API token, else the user."""

    user_id: int
    user_name: str
    role: RoleName
    project: ProjectRef
    client: str
    token_id: int | None = None

    def refuse_archived(self) -> None:
        """For what a viewer may write. Raises Conflict in an archived project."""
        if self.project.is_archived:
            raise Conflict(f"{self.project.name} is archived and read-only.", code="archived")


class Gatekeeper(Protocol):
    """Answers from the database. No method may be called while a write session is open."""

    def identify(self, *, session_token: str | None, bearer: str | None) -> Caller | None:
        """The caller of a session cookie or of a bearer token (which wins); None when neither is valid."""
        ...

    def admit(self, caller: Caller, *, slug: str | None, role: RoleName, writes: bool, archived_too: bool) -> Access:
        """Let the caller into a project (`slug` None: the token's project) with at least `role`.

        Raises NotFound to anyone who is no member, Forbidden to a lower role, Conflict for a write above viewer in an
        archived project.
        """
        ...

    def allows(self, role: RoleName | None, needed: RoleName) -> bool:
        """Whether `role` includes what `needed` may do; None allows nothing."""
        ...

    def projects_of(self, caller: Caller) -> list[tuple[ProjectRef, RoleName]]:
        """The caller's projects with the role in each, by name; archived ones last."""
        ...

    def unread_of(self, caller: Caller) -> int:
        """How many notices the caller has not read."""
        ...
