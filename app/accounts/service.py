"""Users: made by administrators alone; the first one through a one-time link. There is no registration.

Functions that hash a password open their own write session afterwards, since hashing must not happen inside one.
"""

from __future__ import annotations

import secrets

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit, passwords
from app.accounts.models import SetupLink, User, UserSession
from app.accounts.schemas import UserRow, tidy_user_name
from app.accounts.sessions import end_sessions, open_session, token_hash
from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound


def has_users(session: Session) -> bool:
    """Whether anyone has an account yet."""
    return bool(session.scalar(select(exists().select_from(User))))


def make_setup_link(session: Session) -> str:
    """The path that makes the first administrator, once; an earlier unused link ends.

    Raises Conflict once there is a user.
    """
    if has_users(session):
        raise Conflict("The first administrator exists already; administrators make further users on the users page.")
    session.execute(delete(SetupLink).where(SetupLink.used_at.is_(None)))
    token = secrets.token_urlsafe(32)
    session.add(SetupLink(token_hash=token_hash(token), created_at=now()))
    session.flush()
    return f"/setup/{token}"


def is_setup_open(session: Session, token: str) -> bool:
    """Whether the link's token is unused and nobody has an account."""
    is_open = exists().where(SetupLink.token_hash == token_hash(token), SetupLink.used_at.is_(None))
    return bool(session.scalar(select(is_open))) and not has_users(session)


def set_up(*, token: str, name: str, password: str) -> str:
    """Make the first administrator; returns the token of a session, so that they are signed in.

    Raises NotFound unless the link is open, InvalidInput for a name or password that breaks its rule.
    """
    name = tidy_user_name(name)
    passwords.check_rule(password, user_name=name)
    with read() as session:
        if not is_setup_open(session, token):
            raise NotFound("This link has been used, or a newer one replaced it.")
    password_hash = passwords.hash_password(password)
    with write() as session:
        used = update(SetupLink).where(SetupLink.token_hash == token_hash(token), SetupLink.used_at.is_(None))
        taken = session.execute(used.values(used_at=now()).returning(SetupLink.id)).all()
        if not taken or has_users(session):
            raise NotFound("This link has been used, or a newer one replaced it.")
        user = User(name=name, password_hash=password_hash, is_administrator=True, created_at=now())
        session.add(user)
        session.flush()
        audit.write(session, action="user.set_up", subject=name, user_id=user.id)
        return open_session(session, user_id=user.id)


def create_user(
    *, name: str, by: int | None, password: str | None = None, is_administrator: bool = False
) -> tuple[int, str]:
    """Make a user; returns id and password.

    Without `password` a one-time one is made, to be changed at first sign-in. Raises Conflict for a name that is taken.
    """
    name = tidy_user_name(name)
    chosen = password or passwords.make_one_time_password()
    passwords.check_rule(chosen, user_name=name)
    password_hash = passwords.hash_password(chosen)
    with write() as session:
        if session.scalar(select(User.id).where(User.name == name)) is not None:
            raise Conflict(f"There is a user {name} already.")
        user = User(
            name=name,
            password_hash=password_hash,
            is_administrator=is_administrator,
            must_change_password=password is None,
            created_at=now(),
        )
        session.add(user)
        try:
            session.flush()
        except IntegrityError as error:
            raise Conflict(f"There is a user {name} already.") from error
        detail = {"is_administrator": is_administrator}
        audit.write(session, action="user.created", subject=name, user_id=by, detail=detail)
        return user.id, chosen


def reset_password(user_id: int, *, by: int | None) -> str:
    """Give a user a one-time password, which is returned; all their sessions end."""
    chosen = passwords.make_one_time_password()
    password_hash = passwords.hash_password(chosen)
    with write() as session:
        user = get_user(session, user_id)
        user.password_hash = password_hash
        user.must_change_password = True
        end_sessions(session, user_id=user_id)
        audit.write(session, action="user.password_reset", subject=user.name, user_id=by)
    return chosen


def change_password(user_id: int, *, current: str, password: str, session_id: int | None) -> None:
    """Change one's own password; every other session ends. Raises InvalidInput when `current` is wrong."""
    with read() as session:
        user = get_user(session, user_id)
    passwords.check_rule(password, user_name=user.name)
    if not passwords.is_right(current, user.password_hash):
        raise InvalidInput("The present password is not right.", detail={"fields": {"current": "is not right"}})
    if current == password:
        raise InvalidInput("The new password must differ from the present one.")
    password_hash = passwords.hash_password(password)
    with write() as session:
        user = get_user(session, user_id)
        user.password_hash = password_hash
        user.must_change_password = False
        end_sessions(session, user_id=user_id, but=session_id)
        audit.write(session, action="user.password_changed", subject=user.name, user_id=user_id)


def set_active(session: Session, user_id: int, *, is_active: bool, by: int) -> None:
    """Let a user in, or shut them out at once with all their sessions and tokens.

    Raises Conflict for oneself and for the last administrator.
    """
    user = get_user(session, user_id)
    if not is_active:
        if user_id == by:
            raise Conflict("You cannot deactivate yourself.")
        _keep_an_administrator(session, but=user)
        end_sessions(session, user_id=user_id)
    user.is_active = is_active
    action = "user.activated" if is_active else "user.deactivated"
    audit.write(session, action=action, subject=user.name, user_id=by)


def _keep_an_administrator(session: Session, *, but: User) -> None:
    # Locked, so that two who shut each other out at one moment are not both heard.
    active = select(User.id).where(User.is_administrator, User.is_active).order_by(User.id)
    others = set(session.scalars(active.with_for_update(key_share=True))) - {but.id}
    if but.is_administrator and not others:
        raise Conflict(f"{but.name} is the last active administrator.")


def get_user(session: Session, user_id: int) -> User:
    """The user. Raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def find_user(session: Session, name: str) -> User:
    """The active user of that name. Raises NotFound, naming what was asked for."""
    tidied = tidy_user_name(name)
    user = session.scalar(select(User).where(User.name == tidied, User.is_active))
    if user is None:
        raise NotFound(f"There is no active user {tidied}.")
    return user


def list_users(session: Session) -> list[UserRow]:
    """Every user by name, active ones first."""
    last = select(func.max(UserSession.last_used_at)).where(UserSession.user_id == User.id).scalar_subquery()
    rows = session.execute(select(User, last).order_by(User.is_active.desc(), User.name))
    return [
        UserRow(
            id=user.id,
            name=user.name,
            is_administrator=user.is_administrator,
            is_active=user.is_active,
            must_change_password=user.must_change_password,
            created_at=user.created_at,
            last_used_at=last_used_at,
        )
        for user, last_used_at in rows
    ]
