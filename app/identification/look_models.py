"""Tables of looking through results: what watchers of classes were told, and orders by difference."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table


class JobLook(Table):
    """How far a job was looked through for news of watched classes.

    `asked_run_id` is the run whose end asks for a look, NULL where none is due. A standing job grows: what has an
    image id above `up_to_image_id` came since the last look.
    """

    __tablename__ = "job_look"

    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id", ondelete="CASCADE"), primary_key=True)
    asked_run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    looked_at: Mapped[datetime | None]
    up_to_image_id: Mapped[int] = mapped_column(default=0)


class DiverseOrder(Table):
    """The first results under a filter by their difference, as they were ordered once: a page's address names it.

    `considered` is how many there are, of `job_images` that the job had scored then. A newer order is another row.
    """

    __tablename__ = "diverse_order"
    __table_args__ = (Index("ix_diverse_order_filter", "job_id", "filter_key", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id", ondelete="CASCADE"))
    filter_key: Mapped[str]
    job_images: Mapped[int]
    considered: Mapped[int]
    created_at: Mapped[datetime]


class StackedImage(Table):
    """An image of an order: near-duplicates share a `stack`, which are numbered from the most different on.

    `position` counts through the order; within a stack the surest comes first.
    """

    __tablename__ = "stacked_image"
    __table_args__ = (Index("ix_stacked_image_stack", "order_id", "stack"),)

    order_id: Mapped[int] = mapped_column(ForeignKey("diverse_order.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    stack: Mapped[int] = mapped_column(Integer)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
