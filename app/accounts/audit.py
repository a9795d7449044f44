"""Who did what to accounts, rights, production and projects. Append-only; never a password or a token in it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.accounts.models import AuditEntry
from app.core.clock import now
from app.core.database import Json


def write(
    session: Session,
    *,
    action: str,
    subject: str,
    user_id: int | None = None,
    project_id: int | None = None,
    detail: Json | None = None,
) -> None:
    """Append an entry in the caller's transaction. `action` is like `member.set`; `subject` is what it was done to."""
    entry = AuditEntry(
        at=now(), user_id=user_id, project_id=project_id, action=action, subject=subject[:200], detail=detail or {}
    )
    session.add(entry)
