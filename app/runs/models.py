"""Tables of all long work. The truth of the queue is here; the broker only nudges."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class RunState(StrEnum):
    """States of a run; `lifecycle.TRANSITIONS` says which may follow which."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Run(Table):
    """One piece of long work: what was asked, how far it is, how it ended."""

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint("state IN ('queued','running','succeeded','failed','cancelled')", name="state"),
        UniqueConstraint("id", "throwaway"),
        Index("ix_run_project_newest", "project_id", "id"),
        Index("ix_run_state_lease", "state", "lease_until"),
        Index(
            "uq_run_coalesce_queued",
            "coalesce_key",
            unique=True,
            sqlite_where=text("state = 'queued' AND coalesce_key IS NOT NULL"),
            postgresql_where=text("state = 'queued' AND coalesce_key IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    kind: Mapped[str]
    queue: Mapped[str]
    title: Mapped[str]
    state: Mapped[str] = mapped_column(default=RunState.QUEUED)
    throwaway: Mapped[bool] = mapped_column(default=False)
    parameters: Mapped[Json]
    fingerprint: Mapped[str | None] = mapped_column(index=True)
    coalesce_key: Mapped[str | None]
    follows_run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    follow_ups: Mapped[list[Json]] = mapped_column(default=list)
    attempt: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    announced_at: Mapped[datetime]
    progress_done: Mapped[int] = mapped_column(default=0)
    progress_total: Mapped[int] = mapped_column(default=0)
    progress_note: Mapped[str] = mapped_column(default="")
    progress: Mapped[Json] = mapped_column(default=dict)
    progress_version: Mapped[int] = mapped_column(default=0)
    cancel_requested_at: Mapped[datetime | None]
    stop_requested_at: Mapped[datetime | None]
    stopped_early: Mapped[bool] = mapped_column(default=False)
    result: Mapped[Json | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class RunTransition(Table):
    """Each change of state of a run, with its reason."""

    __tablename__ = "run_transition"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    attempt: Mapped[int]
    reason: Mapped[str]
    at: Mapped[datetime]
