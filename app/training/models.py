"""Tables of training: what a run was configured to do, and each epoch as it ended."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


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
