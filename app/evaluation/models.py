"""Tables of evaluation: figures of a version on a set of images, by class, and the confusion matrix."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class Evaluation(Table):
    """Figures of one version on one set: `subset` is train, validation, test or benchmark:<set id>.

    An attempt writes its rows in small steps; they count from the moment they become current, all at once. Those of
    earlier runs and of killed attempts are not current and get deleted.
    """

    __tablename__ = "evaluation"
    __table_args__ = (
        UniqueConstraint("job_id", "attempt", "subset"),
        Index(
            "uq_evaluation_current",
            "version_id",
            "subset",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
        Index("ix_evaluation_version", "version_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"))
    attempt: Mapped[int]
    is_current: Mapped[bool] = mapped_column(default=False)
    subset: Mapped[str]
    benchmark_set_id: Mapped[int | None] = mapped_column(ForeignKey("benchmark_set.id"))
    images: Mapped[int]
    exposed: Mapped[int]
    correct: Mapped[int]
    figures: Mapped[Json]
    created_at: Mapped[datetime]


class ClassFigure(Table):
    """Counts of one class in one evaluation: images of it, predictions of it, and both."""

    __tablename__ = "class_figure"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True)
    images: Mapped[int]
    predicted: Mapped[int]
    correct: Mapped[int]


class ConfusionCell(Table):
    """How many images of a true class got a predicted class (true class 0: none of the version's classes)."""

    __tablename__ = "confusion_cell"

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), primary_key=True)
    true_class_id: Mapped[int] = mapped_column(primary_key=True)
    predicted_class_id: Mapped[int] = mapped_column(primary_key=True)
    images: Mapped[int]


class JudgedImage(Table):
    """What was true and what was predicted for one image of one evaluation; opens the cells of the matrix.

    `true_class_id` is 0 where the version does not know the true class: then it is right to give no single answer.
    """

    __tablename__ = "judged_image"
    __table_args__ = (Index("ix_judged_image_cell", "evaluation_id", "true_class_id", "predicted_class_id"),)

    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    true_class_id: Mapped[int]
    predicted_class_id: Mapped[int]
    confidence: Mapped[float]
    is_right: Mapped[bool]
