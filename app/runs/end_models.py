"""The table of ends of runs that nobody was told of yet: an outbox, written in the transaction that ends a run."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table


class RunEnd(Table):
    """A run ended in `state` at `attempt`; deleted in the transaction that tells of it."""

    __tablename__ = "run_end"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    attempt: Mapped[int]
    state: Mapped[str]
