"""Tables of training: what a run was configured to do, each epoch as it ended, and the log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, JsonDocument, Table


class TrainingRun(Table):
    """The frozen configuration of a training run."""

    __tablename__ = "training_run"
    __table_args__ = (CheckConstraint("start IN ('random','pretrained','warm','head_only')", name="start"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id"), index=True)
    parent_version_id: Mapped[int | None] = mapped_column(ForeignKey("model_version.id"))
    start: Mapped[str]
    trunk: Mapped[str]
    input_size: Mapped[int]
    config: Mapped[Json]
    environment: Mapped[Json]


class Epoch(Table):
    """Figures of one finished epoch; unique by run and number, so that a resumed run writes none twice."""

    __tablename__ = "epoch"
    __table_args__ = (UniqueConstraint("run_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    number: Mapped[int]
    loss: Mapped[float]
    accuracy: Mapped[float]
    validation_loss: Mapped[float | None]
    validation_accuracy: Mapped[float | None]
    learning_rate: Mapped[float]
    seconds: Mapped[float]
    images_per_second: Mapped[float]
    is_best: Mapped[bool]


class EpochDetail(Table):
    """What an epoch knows by class and image; kept for the last epoch and the best one alone."""

    __tablename__ = "epoch_detail"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    per_class: Mapped[list[list[int]]] = mapped_column(JsonDocument)
    """[class id, validation images answered rightly, validation images seen], of at most 200 classes."""
    mistakes: Mapped[list[list[float]]] = mapped_column(JsonDocument)
    """[image id, true class id, answered class id, confidence] of the surest wrong answers, at most 12."""


class RunLogLine(Table):
    """One notable thing that a run did, in plain words; a run keeps its newest 500."""

    __tablename__ = "run_log"
    __table_args__ = (CheckConstraint("level IN ('info','warning')", name="level"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    at: Mapped[datetime]
    level: Mapped[str]
    text: Mapped[str]
