"""Tables of notices: what people are told of a project, and who follows it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table

_UNREAD = text("read_at IS NULL")


class Notice(Table):
    """One thing that one person is told. `key` names what it is about: nobody is told the same twice.

    `path` is where it is to be seen, behind the project's own address.
    """

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint("tone IN ('good','info','warn','error')", name="tone"),
        UniqueConstraint("user_id", "key"),
        Index("ix_notice_newest", "user_id", "id"),
        Index("ix_notice_unread", "user_id", sqlite_where=_UNREAD, postgresql_where=_UNREAD),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    tone: Mapped[str]
    text: Mapped[str]
    path: Mapped[str]
    key: Mapped[str]
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class ProjectFollower(Table):
    """Somebody who wants every notice of a project."""

    __tablename__ = "project_follower"

    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
