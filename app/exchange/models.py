"""Tables of exchange: previews of imports that wait for a person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class ImportPreview(Table):
    """An import that was named but not begun: what to read, what was found, what a person chose so far.

    `request` is an ImportRequest with those choices laid in. `findings` are those of the last run that looked
    (`run_id`). A preview is `open` until its import begins (`started`, with `batch_id`) or it is given up.
    """

    __tablename__ = "import_preview"
    __table_args__ = (
        CheckConstraint("state IN ('open','started','cancelled')", name="state"),
        Index("ix_import_preview_project_newest", "project_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    state: Mapped[str] = mapped_column(default="open")
    name: Mapped[str]
    request: Mapped[Json]
    findings: Mapped[Json | None]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), unique=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"), unique=True)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    touched_at: Mapped[datetime]
