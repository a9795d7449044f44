"""Tables of serving: every transaction, and the grades people give them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table

# What waits for a grade, as SQL: the condition of a partial index, so a query must use this very text.
TO_GRADE = "graded_at IS NULL AND image_id IS NOT NULL"
GRADED = "graded_at IS NOT NULL"


class Transaction(Table):
    """One served request: what was sent, by which version it was answered, and how. Drained from the spool by id.

    `at` is the moment the id (a ULID) carries, to the millisecond. `class_1` and `confidence_1` are the best class
    whatever the decision; `answer` holds the best few, the thresholds and how many were asked for. `draw` is a random
    number: transactions come up for grading in its order, so that those graded are a fair sample.
    """

    __tablename__ = "transaction"
    __table_args__ = (
        CheckConstraint("decision IN ('answered','choices','unable')", name="decision"),
        Index("ix_transaction_newest", "project_id", "at", "id"),
        Index("ix_transaction_version", "project_id", "version_id", "at", "id"),
        Index("ix_transaction_client", "project_id", "client", "at", "id"),
        Index(
            "ix_transaction_to_grade",
            "project_id",
            "draw",
            "id",
            sqlite_where=text(TO_GRADE),
            postgresql_where=text(TO_GRADE),
        ),
        Index(
            "ix_transaction_graded",
            "project_id",
            "at",
            "id",
            sqlite_where=text(GRADED),
            postgresql_where=text(GRADED),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    at: Mapped[datetime]
    client: Mapped[str]
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    deployment_id: Mapped[int] = mapped_column(ForeignKey("deployment.id"))
    sent_digest: Mapped[str] = mapped_column(index=True)
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"), index=True)
    decision: Mapped[str]
    class_1: Mapped[int]
    confidence_1: Mapped[float]
    answer: Mapped[Json]
    latency_ms: Mapped[float]
    draw: Mapped[int]
    graded_at: Mapped[datetime | None]


class Grade(Table):
    """A person's verdict on a served answer. `true_class_id` is known where the verdict says or implies it."""

    __tablename__ = "grade"
    __table_args__ = (
        UniqueConstraint("transaction_id", "user_id"),
        CheckConstraint("verdict IN ('correct','wrong','class_not_in_model','not_usable')", name="verdict"),
        Index("ix_grade_by_user", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_id: Mapped[str] = mapped_column(ForeignKey("transaction.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    verdict: Mapped[str]
    true_class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    at: Mapped[datetime]
