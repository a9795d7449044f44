"""Tables of projects: a library, its classes and its model versions; its charter; its members."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table


class Project(Table):
    """One multi-class, single-label classifier and everything around it. The charter stands on its model cards.

    `review_percent` of the new labels get a second opinion; `check_percent` of what a labeller sees are images of
    benchmark sets.
    """

    __tablename__ = "project"
    __table_args__ = (
        CheckConstraint("review_percent BETWEEN 0 AND 100", name="review_percent"),
        CheckConstraint("check_percent BETWEEN 0 AND 50", name="check_percent"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    charter_hardware: Mapped[str] = mapped_column(default="")
    charter_use: Mapped[str] = mapped_column(default="")
    charter_interface: Mapped[str] = mapped_column(default="")
    charter_monitoring: Mapped[str] = mapped_column(default="")
    charter_approximation: Mapped[str] = mapped_column(default="")
    lower_cutoff: Mapped[int] = mapped_column(default=40)
    upper_cutoff: Mapped[int] = mapped_column(default=300)
    keep_served_images: Mapped[str] = mapped_column(default="all")
    review_percent: Mapped[int] = mapped_column(default=0)
    check_percent: Mapped[int] = mapped_column(default=0)
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Member(Table):
    """A user's role in a project: viewer, labeller, reviewer, engineer or administrator."""

    __tablename__ = "member"
    __table_args__ = (
        UniqueConstraint("project_id", "user_id"),
        CheckConstraint("role IN ('viewer','labeller','reviewer','engineer','administrator')", name="role"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    role: Mapped[str]
