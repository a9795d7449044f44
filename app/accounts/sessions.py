"""Sign-in, sign-out and the sessions in between.

A failed sign-in costs the same work and gives the same answer whether or not the name exists; after five failures a
name pauses, each time twice as long. A session is found by the SHA-256 of its random token.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts.models import SignInFailure, User, UserSession
from app.accounts.passwords import is_right
from app.core.clock import now
from app.core.database import is_sqlite, read, write
from app.core.errors import NotFound, NotSignedIn, TooMany
from app.core.settings import get_settings
from app.core.storage import digest_of
from app.web.secret import keyed_digest

FREE_FAILURES = 5
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(days=1)
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class SignedIn:
    """A valid session and its user."""

    session_id: int
    user_id: int
    user_name: str
    is_administrator: bool
    must_change_password: bool
    last_used_at: datetime


def token_hash(token: str) -> str:
    """How a random token is stored: it has 256 bits, so plain SHA-256 is enough."""
    return digest_of(token.encode())


def _name_digest(name: str) -> str:
    return keyed_digest("sign-in-name", name)


def sign_in(*, name: str, password: str, old_token: str | None = None) -> str:
    """A new session's token. Opens its own sessions, since hashing must not happen inside one.

    `old_token` (the session this browser had) ends. Raises NotSignedIn for a wrong name or password, TooMany while the
    name pauses.
    """
    name = unicodedata.normalize("NFKC", name).casefold().strip()
    with read() as session:
        user = session.scalar(select(User).where(User.name == name, User.is_active))
        _refuse_paused(session, name)
    if not is_right(password, user.password_hash if user else None) or user is None:
        with write() as session:
            _note_failure(session, name)
        raise NotSignedIn("The name or the password is not right.", code="wrong_password")
    with write() as session:
        _refuse_paused(session, name)
        session.execute(delete(SignInFailure).where(SignInFailure.name_digest == _name_digest(name)))
        if old_token:
            session.execute(delete(UserSession).where(UserSession.token_hash == token_hash(old_token)))
        audit.write(session, action="user.signed_in", subject=user.name, user_id=user.id)
        return open_session(session, user_id=user.id)


def _refuse_paused(session: Session, name: str) -> None:
    failure = session.get(SignInFailure, _name_digest(name))
    if failure is None or failure.locked_until is None or failure.locked_until <= now():
        return
    left = max(1, round((failure.locked_until - now()).total_seconds()))
    raise TooMany(f"Too many failed attempts under this name. Try again in {left} seconds.", retry_after_s=left)


def _note_failure(session: Session, name: str) -> None:
    session.execute(delete(SignInFailure).where(SignInFailure.last_at < now() - FORGOTTEN_AFTER))
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    first = {"name_digest": _name_digest(name), "failures": 0, "last_at": now()}
    session.execute(insert(SignInFailure).values(first).on_conflict_do_nothing())
    failure = session.get_one(SignInFailure, _name_digest(name), with_for_update=True)
    failure.failures += 1
    failure.last_at = now()
    over = failure.failures - FREE_FAILURES
    if over >= 0:
        failure.locked_until = now() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(over, 10))


def open_session(session: Session, *, user_id: int) -> str:
    """Insert a session; returns its random token, which is stored only as a hash. Ends what has expired meanwhile."""
    session.execute(delete(UserSession).where(UserSession.expires_at < now()))
    token = secrets.token_urlsafe(32)
    session.add(
        UserSession(
            token_hash=token_hash(token),
            user_id=user_id,
            created_at=now(),
            last_used_at=now(),
            expires_at=now() + timedelta(days=get_settings().session_days),
        )
    )
    session.flush()
    return token


def find_session(session: Session, token: str) -> SignedIn | None:
    """The session of a token, unless it has expired or its user is not active."""
    row = session.execute(
        select(UserSession, User)
        .join(User, User.id == UserSession.user_id)
        .where(UserSession.token_hash == token_hash(token), UserSession.expires_at > now(), User.is_active)
    ).one_or_none()
    if row is None:
        return None
    found, user = row
    return SignedIn(
        session_id=found.id,
        user_id=user.id,
        user_name=user.name,
        is_administrator=user.is_administrator,
        must_change_password=user.must_change_password,
        last_used_at=found.last_used_at,
    )


def touch(found: SignedIn) -> None:
    """Push the session's end out, at most once a minute. Opens its own write session."""
    if now() - found.last_used_at < TOUCH_EVERY:
        return
    with write() as session:
        session.execute(
            update(UserSession)
            .where(UserSession.id == found.session_id)
            .values(last_used_at=now(), expires_at=now() + timedelta(days=get_settings().session_days))
        )


def sessions_of(session: Session, user_id: int) -> list[UserSession]:
    """A user's open sessions, the last used first."""
    query = select(UserSession).where(UserSession.user_id == user_id, UserSession.expires_at > now())
    return list(session.scalars(query.order_by(UserSession.last_used_at.desc(), UserSession.id.desc())))


def end_session(session: Session, session_id: int, *, user_id: int) -> None:
    """End one of the user's own sessions. Raises NotFound for anyone else's."""
    ended = session.execute(delete(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id))
    if not _rows(ended):
        raise NotFound("There is no such session of yours.")


def end_sessions(session: Session, *, user_id: int, but: int | None = None) -> int:
    """End all of a user's sessions, or all but one; returns how many ended."""
    query = delete(UserSession).where(UserSession.user_id == user_id)
    return _rows(session.execute(query.where(UserSession.id != but) if but is not None else query))


def _rows(result: object) -> int:
    count: int = getattr(result, "rowcount", 0)
    return count
