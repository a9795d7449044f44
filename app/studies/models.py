"""Tables of studies: what is searched, within which budget, and each trial with the run that it is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class Study(Table):
    """A search over training settings on one snapshot. `base` is a TrainingChoices, `space` a list of Dimension.

    `turns` counts who advanced it: whoever raises it from the number they saw may, so that no trial starts twice.
    """

    __tablename__ = "study"
    __table_args__ = (
        CheckConstraint("state IN ('running','paused','ended')", name="state"),
        CheckConstraint("objective IN ('validation_accuracy','validation_loss')", name="objective"),
        UniqueConstraint("project_id", "name"),
        Index("ix_study_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]
    state: Mapped[str] = mapped_column(default="running")
    objective: Mapped[str]
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id"))
    base: Mapped[Json]
    space: Mapped[list[Json]]
    most_trials: Mapped[int]
    most_hours: Mapped[float | None]
    at_once: Mapped[int]
    prunes: Mapped[bool]
    seed: Mapped[int]
    turns: Mapped[int] = mapped_column(default=0)
    importance: Mapped[Json] = mapped_column(default=dict)
    note: Mapped[str] = mapped_column(default="")
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    resumed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Trial(Table):
    """One choice of settings and the training run that tries it. `score` is what the objective came to."""

    __tablename__ = "trial"
    __table_args__ = (
        CheckConstraint("state IN ('running','complete','pruned','failed')", name="state"),
        UniqueConstraint("study_id", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    number: Mapped[int]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    state: Mapped[str] = mapped_column(default="running")
    settings: Mapped[Json]
    score: Mapped[float | None]
    seconds: Mapped[float] = mapped_column(default=0.0)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
