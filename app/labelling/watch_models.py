"""The table of watched classes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table


class ClassWatch(Table):
    """Somebody who wants to be told of new images found for a class."""

    __tablename__ = "class_watch"
    __table_args__ = (Index("ix_class_watch_class", "class_id"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True)
    created_at: Mapped[datetime]
