"""Users, without the cost of hashing a password."""

from __future__ import annotations

import itertools

from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now

UNUSABLE_HASH = "!"
_numbers = itertools.count(1)


def make_user(
    session: Session,
    name: str = "",
    *,
    is_administrator: bool = False,
    is_active: bool = True,
    password_hash: str = UNUSABLE_HASH,
    must_change_password: bool = False,
) -> User:
    """A user; nobody can sign in as them by password unless a real hash is given."""
    user = User(
        name=name or f"person{next(_numbers)}",
        password_hash=password_hash,
        is_administrator=is_administrator,
        is_active=is_active,
        must_change_password=must_change_password,
        created_at=now(),
    )
    session.add(user)
    session.flush()
    return user
