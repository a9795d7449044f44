"""Tables of acts on many results: how the scores of a job lie, and which staged images real ones made needless."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class ScoreBins(Table):
    """How many images of a job score how, counted at a moment: a hundred bins each of those in the pool and labelled.

    `bins` holds two lists by the names `pool` and `labelled`; bin 0 is for the scores below 0.01.
    """

    __tablename__ = "score_bins"

    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id", ondelete="CASCADE"), primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)
    bins: Mapped[Json]
    images: Mapped[int]
    counted_at: Mapped[datetime]


class Retirement(Table):
    """Staged or synthetic images of one class retired by one act, which can be taken back as one."""

    __tablename__ = "retirement"
    __table_args__ = (Index("ix_retirement_class", "project_id", "class_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    images: Mapped[int]
    created_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class RetiredImage(Table):
    """An image that a retirement took out of what cutoffs count."""

    __tablename__ = "retired_image"

    retirement_id: Mapped[int] = mapped_column(ForeignKey("retirement.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
