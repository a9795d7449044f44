"""Tables of promotion: the gate's reports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class GateReport(Table):
    """A candidate held against production (or nothing) by the rules in force then; kept for ever."""

    __tablename__ = "gate_report"
    __table_args__ = (CheckConstraint("verdict IN ('passed','failed','not_proven')", name="verdict"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    candidate_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), index=True)
    production_id: Mapped[int | None] = mapped_column(ForeignKey("model_version.id"))
    verdict: Mapped[str]
    rules: Mapped[Json]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
