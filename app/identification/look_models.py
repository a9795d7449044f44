"""Tables of looking through results: what watchers of classes were told, and orders by difference as they are kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
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
    """The first results under a filter, near-duplicates stacked, the stacks in the order of being most different.

    `stacks` are their sizes (uint16), `image_ids` (int64) their images one stack after the other, each stack's
    representative first. It is never changed, so that a page's address keeps its place; a newer one has another id.
    """

    __tablename__ = "diverse_order"
    __table_args__ = (UniqueConstraint("job_id", "filter_key", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id", ondelete="CASCADE"))
    filter_key: Mapped[str]
    job_images: Mapped[int]
    looked_at: Mapped[int]
    image_ids: Mapped[bytes] = mapped_column(LargeBinary)
    stacks: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
