"""Tables of the labelling screen: the queue's leases and orders, notes, and what a labeller chose."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class QueueLease(Table):
    """An image in front of a labeller for now, so that nobody else gets it; or one that a labeller skipped.

    A skipped one is free for everybody else; the labeller gets it again when `until` has passed.
    """

    __tablename__ = "queue_lease"

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    until: Mapped[datetime]
    is_skipped: Mapped[bool] = mapped_column(default=False)


class QueueOrder(Table):
    """An order in which images are handed out, such as the least sure first, filled in blocks of QueueEntry.

    `cursors` says how far its sources are read, so that what is settled is passed once and never again; `source` names
    them (the version, the clusters): another source begins anew.
    """

    __tablename__ = "queue_order"
    __table_args__ = (UniqueConstraint("project_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    key: Mapped[str]
    source: Mapped[str] = mapped_column(default="")
    cursors: Mapped[Json] = mapped_column(default=dict)
    next_position: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[datetime | None]


class QueueEntry(Table):
    """An image that waits in an order, at its place."""

    __tablename__ = "queue_entry"
    __table_args__ = (UniqueConstraint("order_id", "image_id"),)

    order_id: Mapped[int] = mapped_column(ForeignKey("queue_order.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))


class QueueChoice(Table):
    """The order that a labeller chose last in a project, as it stands in the address."""

    __tablename__ = "queue_choice"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), primary_key=True)
    policy: Mapped[str]


class ImageNote(Table):
    """What somebody wrote about an image; append-only."""

    __tablename__ = "image_note"
    __table_args__ = (Index("ix_image_note_image", "image_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    text: Mapped[str]
    request_key: Mapped[str | None] = mapped_column(unique=True)
    at: Mapped[datetime]


class KeyBinding(Table):
    """A key of one's own for a command of the labelling screen, in place of the usual one."""

    __tablename__ = "key_binding"
    __table_args__ = (UniqueConstraint("user_id", "key"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    command: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
