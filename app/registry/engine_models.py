"""Tables of the engines that run trunks: what a trunk's embeddings are computed in, what was tried, what is pinned."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table


class TrunkPrecision(Table):
    """What all embeddings of a trunk are computed in, on every machine: settled once, before the first. None: float32.

    It is part of the key of each pin, so that the database itself bars two precisions under one trunk.
    """

    __tablename__ = "trunk_precision"
    __table_args__ = (
        UniqueConstraint("trunk_id", "precision"),
        CheckConstraint("precision IN ('float32','bfloat16')", name="precision"),
    )

    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), primary_key=True)
    precision: Mapped[str]
    settled_at: Mapped[datetime]


class EnginePin(Table):
    """The engine that runs a trunk on machines of one kind, with the streams, threads and batch that were fastest.

    `agreement` is the share of `images` with the trained network's first answer.
    """

    __tablename__ = "engine_pin"
    __table_args__ = (
        ForeignKeyConstraint(["trunk_id", "precision"], ["trunk_precision.trunk_id", "trunk_precision.precision"]),
    )

    trunk_id: Mapped[int] = mapped_column(primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    precision: Mapped[str]
    engine: Mapped[str]
    release: Mapped[str]
    streams: Mapped[int]
    threads: Mapped[int]
    batch: Mapped[int]
    images_per_s: Mapped[float]
    images: Mapped[int]
    agreement: Mapped[float]
    pinned_at: Mapped[datetime]


class EngineTrial(Table):
    """The fastest plan of each engine and precision in the last measuring of a trunk on machines of one kind.

    `refused` says why it may not be used; empty: it may. `sure` of the `images` had a first answer that led clearly.
    """

    __tablename__ = "engine_trial"

    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    engine: Mapped[str] = mapped_column(primary_key=True)
    precision: Mapped[str] = mapped_column(primary_key=True)
    streams: Mapped[int]
    threads: Mapped[int]
    batch: Mapped[int]
    images_per_s: Mapped[float]
    images: Mapped[int]
    same: Mapped[int]
    sure: Mapped[int]
    sure_same: Mapped[int]
    largest_difference: Mapped[float]
    refused: Mapped[str]
    measured_at: Mapped[datetime]
