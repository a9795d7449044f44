"""The five roles of a project, each allowing what those before it allow.

- viewer: read pages and reports.
- labeller: label, skip, propose a class, undo one's own.
- reviewer: settle conflicts, make, merge and rename classes, mark benchmark truth, grade served answers, undo others'.
- engineer: import, export, snapshots, runs, identification, mass removal, thresholds, promote, roll back.
- administrator: override the gate, purge, members, tokens, settings, archive.
"""

from __future__ import annotations

from app.core.errors import InvalidInput
from app.web.access import RoleName

ROLES: tuple[RoleName, ...] = ("viewer", "labeller", "reviewer", "engineer", "administrator")


def allows(role: str, needed: str) -> bool:
    """Whether `role` includes what `needed` may do. An unknown role allows nothing."""
    if role not in ROLES or needed not in ROLES:
        return False
    return ROLES.index(as_role(role)) >= ROLES.index(as_role(needed))


def as_role(text: str) -> RoleName:
    """The role of that name. Raises InvalidInput for any other text."""
    for role in ROLES:
        if role == text:
            return role
    raise InvalidInput(f"A role is one of {', '.join(ROLES)}; received {text[:40]!r}.")


def lesser(one: RoleName, other: RoleName) -> RoleName:
    """The role that allows less."""
    return min(one, other, key=ROLES.index)


def up_to(role: RoleName) -> tuple[RoleName, ...]:
    """The roles that `role` may hand on: its own and lesser ones."""
    return ROLES[: ROLES.index(role) + 1]
