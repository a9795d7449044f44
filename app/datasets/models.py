"""Tables of data sets: immutable snapshots, and benchmark sets with their settled truth."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class Snapshot(Table):
    """Immutable record of classes, cutoffs, images and splits. Same inputs, same fingerprint, same row."""

    __tablename__ = "snapshot"
    __table_args__ = (UniqueConstraint("project_id", "fingerprint"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    fingerprint: Mapped[str]
    lower_cutoff: Mapped[int]
    upper_cutoff: Mapped[int]
    include_small: Mapped[bool]
    seed: Mapped[int]
    images: Mapped[int]
    classes: Mapped[int]
    summary: Mapped[Json]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]


class SnapshotClass(Table):
    """A class as the snapshot saw it: included or "needs N more", and its images by split."""

    __tablename__ = "snapshot_class"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True)
    name: Mapped[str]
    position: Mapped[int | None]
    usable: Mapped[int]
    needs: Mapped[int]
    train: Mapped[int]
    validation: Mapped[int]
    test: Mapped[int]
    measured: Mapped[bool]


class SnapshotImage(Table):
    """An image of a snapshot with the label and split it had then."""

    __tablename__ = "snapshot_image"
    __table_args__ = (
        CheckConstraint("split IN ('train','validation','test')", name="split"),
        Index("ix_snapshot_image_image", "image_id"),
    )

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"))
    sub_class_id: Mapped[int | None] = mapped_column(ForeignKey("sub_class.id"))
    split: Mapped[str]
    rotation: Mapped[int]
    why: Mapped[str]


class TaughtImage(Table):
    """A pool image that a run learns from by its teacher's answer: seen like the images of the run's snapshot."""

    __tablename__ = "taught_image"
    __table_args__ = (Index("ix_taught_image_image", "image_id", "snapshot_id"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id"))


class BenchmarkSet(Table):
    """A named set outside training for ever. A change makes a new version."""

    __tablename__ = "benchmark_set"
    __table_args__ = (UniqueConstraint("project_id", "name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    is_tuning: Mapped[bool] = mapped_column(default=False)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]


class BenchmarkImage(Table):
    """The settled truth of a benchmark image: a class (known to a version or not), or NULL for none of the classes."""

    __tablename__ = "benchmark_image"
    __table_args__ = (Index("ix_benchmark_image_image", "image_id"),)

    set_id: Mapped[int] = mapped_column(ForeignKey("benchmark_set.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    class_id: Mapped[int | None] = mapped_column(ForeignKey("label_class.id"))
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
