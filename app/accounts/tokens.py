"""API tokens: one project, one role, shown once, kept as a hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts.models import ApiToken, User
from app.accounts.roles import allows, as_role
from app.accounts.schemas import TokenRow
from app.accounts.sessions import TOUCH_EVERY, token_hash
from app.core.clock import now
from app.core.database import write
from app.core.errors import Forbidden, NotFound
from app.web.access import RoleName

PREFIX = "winnow_"
SHOWN_CHARACTERS = len(PREFIX) + 4


@dataclass(frozen=True)
class TokenUse:
    """A valid token and the user it acts for."""

    token_id: int
    token_name: str
    project_id: int
    role: RoleName
    user_id: int
    user_name: str
    is_administrator: bool
    last_used_at: datetime | None


def create_token(
    session: Session,
    *,
    user_id: int,
    project_id: int,
    name: str,
    role: RoleName,
    own_role: RoleName,
    days: int | None = None,
) -> str:
    """Make a token and return it: the only time it is seen. Raises Forbidden for a role above `own_role`."""
    if not allows(own_role, role):
        raise Forbidden(f"You are {own_role} in that project and cannot hand out {role}.")
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiToken(
            token_hash=token_hash(token),
            prefix=token[:SHOWN_CHARACTERS],
            name=name,
            user_id=user_id,
            project_id=project_id,
            role=role,
            created_at=now(),
            expires_at=now() + timedelta(days=days) if days else None,
        )
    )
    detail = {"role": role, "days": days}
    audit.write(session, action="token.created", subject=name, user_id=user_id, project_id=project_id, detail=detail)
    session.flush()
    return token


def find_token(session: Session, token: str) -> TokenUse | None:
    """The token as it may be used now; None when unknown, expired, revoked, or its user is not active."""
    if not token.startswith(PREFIX):
        return None
    row = session.execute(
        select(ApiToken, User)
        .join(User, User.id == ApiToken.user_id)
        .where(ApiToken.token_hash == token_hash(token), ApiToken.revoked_at.is_(None), User.is_active)
    ).one_or_none()
    if row is None or (row[0].expires_at is not None and row[0].expires_at <= now()):
        return None
    found, user = row
    return TokenUse(
        token_id=found.id,
        token_name=found.name,
        project_id=found.project_id,
        role=as_role(found.role),
        user_id=user.id,
        user_name=user.name,
        is_administrator=user.is_administrator,
        last_used_at=found.last_used_at,
    )


def touch(use: TokenUse) -> None:
    """Note that the token was used, at most once a minute. Opens its own write session."""
    if use.last_used_at is not None and now() - use.last_used_at < TOUCH_EVERY:
        return
    with write() as session:
        session.execute(update(ApiToken).where(ApiToken.id == use.token_id).values(last_used_at=now()))


def revoke_token(session: Session, token_id: int, *, user_id: int, may_revoke_others: bool = False) -> None:
    """End a token. Raises NotFound for another user's, unless an administrator asks."""
    token = session.get(ApiToken, token_id)
    if token is None or (token.user_id != user_id and not may_revoke_others):
        raise NotFound("There is no such token of yours.")
    if token.revoked_at is None:
        token.revoked_at = now()
        audit.write(session, action="token.revoked", subject=token.name, user_id=user_id, project_id=token.project_id)


def tokens_of(session: Session, user_id: int) -> list[TokenRow]:
    """A user's tokens, the newest first, revoked ones too."""
    found = session.scalars(select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.id.desc()))
    return [
        TokenRow(
            id=token.id,
            name=token.name,
            prefix=token.prefix,
            project_id=token.project_id,
            role=token.role,
            created_at=token.created_at,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            revoked_at=token.revoked_at,
        )
        for token in found
    ]
