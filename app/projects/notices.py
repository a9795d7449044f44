"""Notices: telling people how something of a project ended, and what each of them has not read yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import ColumnElement, delete, func, select, true, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import insert_into
from app.core.errors import NotFound
from app.projects.models import Member, Project
from app.projects.notice_models import Notice, ProjectFollower

Tone = Literal["good", "info", "warn", "error"]
LONGEST_TEXT: Final = 600
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice as its reader sees it. `address` is where it leads."""

    id: int
    tone: str
    text: str
    project: str
    address: str
    created_at: datetime
    is_read: bool


def tell(
    session: Session,
    *,
    project_id: int,
    user_ids: Iterable[int],
    text: str,
    path: str,
    tone: Tone,
    key: str,
    followers_too: bool = True,
) -> None:
    """Tell each of these people, and who follows the project, once for each `key`. Needs a write session.

    `path` begins with a slash and stands behind the project's address; a text too long is cut.
    """
    concerned = set(user_ids) | set(_followers(session, project_id) if followers_too else [])
    row = {"project_id": project_id, "tone": tone, "text": text[:LONGEST_TEXT], "path": path, "key": key}
    rows = [{**row, "user_id": user_id, "created_at": now()} for user_id in sorted(concerned)]
    if rows:
        statement = insert_into(session, Notice).on_conflict_do_nothing(index_elements=["user_id", "key"])
        session.connection().execute(statement, rows)


def _followers(session: Session, project_id: int) -> list[int]:
    found = session.scalars(select(ProjectFollower.user_id).where(ProjectFollower.project_id == project_id))
    return list(found)


def _own(user_id: int, *, is_administrator: bool) -> ColumnElement[bool]:
    """Notices of a user, of projects that they may see now."""
    mine = Notice.user_id == user_id
    if is_administrator:
        return mine
    member = select(Member.id).where(Member.user_id == user_id, Member.project_id == Notice.project_id)
    return mine & member.exists()


def unread_count(session: Session, user_id: int, *, is_administrator: bool) -> int:
    """How many notices a user has not read."""
    own = _own(user_id, is_administrator=is_administrator)
    return session.scalar(select(func.count()).select_from(Notice).where(own, Notice.read_at.is_(None))) or 0


def newest_notices(
    session: Session, user_id: int, *, is_administrator: bool, before: int | None = None, limit: int = PAGE
) -> list[NoticeView]:
    """A user's notices, newest first; `before` is the id that ended the page before."""
    earlier = Notice.id < before if before is not None else true()
    rows = session.execute(
        select(Notice, Project.name, Project.slug)
        .join(Project, Project.id == Notice.project_id)
        .where(_own(user_id, is_administrator=is_administrator), earlier)
        .order_by(Notice.id.desc())
        .limit(limit)
    )
    return [
        NoticeView(
            id=notice.id,
            tone=notice.tone,
            text=notice.text,
            project=name,
            address=f"/projects/{slug}{notice.path}",
            created_at=notice.created_at,
            is_read=notice.read_at is not None,
        )
        for notice, name, slug in rows
    ]


def mark_read(session: Session, user_id: int, notice_id: int) -> str:
    """Mark a notice of this user as read; the address it leads to. Raises NotFound."""
    found = session.execute(
        select(Notice, Project.slug)
        .join(Project, Project.id == Notice.project_id)
        .where(Notice.id == notice_id, Notice.user_id == user_id)
    ).one_or_none()
    if found is None:
        raise NotFound(f"you have no notice {notice_id}")
    notice, slug = found
    notice.read_at = notice.read_at or now()
    return f"/projects/{slug}{notice.path}"


def mark_all_read(session: Session, user_id: int) -> None:
    """Mark whatever this user has as read."""
    session.execute(update(Notice).where(Notice.user_id == user_id, Notice.read_at.is_(None)).values(read_at=now()))


def follow(session: Session, project_id: int, user_id: int) -> None:
    """From now on the user gets every notice of the project."""
    row = {"project_id": project_id, "user_id": user_id}
    session.connection().execute(insert_into(session, ProjectFollower).on_conflict_do_nothing(), [row])


def unfollow(session: Session, project_id: int, user_id: int) -> None:
    """The user gets only notices that concern them otherwise."""
    session.execute(
        delete(ProjectFollower).where(ProjectFollower.project_id == project_id, ProjectFollower.user_id == user_id)
    )


def is_following(session: Session, project_id: int, user_id: int) -> bool:
    """Whether the user gets every notice of the project."""
    return session.get(ProjectFollower, (project_id, user_id)) is not None
