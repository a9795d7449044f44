"""Tables of webhooks: addresses that are told what happens in a project, what waits to be sent, how sending went."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, JsonDocument, Table

_WAITING = text("state = 'waiting'")


class DeliveryState(StrEnum):
    """How far a delivery is: it waits for its next attempt, got through, or was given up after the last one."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Webhook(Table):
    """An address that is told of events by name. `salt` and the installation's own secret make its signing key.

    `off_at` is set while nothing is sent: by a person, or by itself with the reason in `off_reason`.
    """

    __tablename__ = "webhook"
    __table_args__ = (UniqueConstraint("project_id", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    address: Mapped[str]
    events: Mapped[list[str]] = mapped_column(JsonDocument)
    salt: Mapped[str]
    off_at: Mapped[datetime | None]
    off_reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class WebhookDelivery(Table):
    """One event for one address, written in the transaction of what it tells. `due_at` is when it is tried next."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        CheckConstraint("state IN ('waiting','delivered','given_up')", name="state"),
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_delivery_due", "due_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_webhook_delivery_newest", "webhook_id", "id"),
        Index("ix_webhook_delivery_old", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"))
    event_id: Mapped[str]
    event: Mapped[str]
    payload: Mapped[Json]
    state: Mapped[str] = mapped_column(default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]


class WebhookAttempt(Table):
    """One time that a delivery was sent: the status of the answer, or why there was none. Nothing of its body."""

    __tablename__ = "webhook_attempt"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("webhook_delivery.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    status: Mapped[int | None]
    problem: Mapped[str] = mapped_column(default="")
    milliseconds: Mapped[int]
