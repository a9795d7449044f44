"""Tables of predictions: a scoring job, one compact row for each image it scored, and candidates for rare classes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table


class ScoringJob(Table):
    """One version over one selection of images, for one purpose; made by one run."""

    __tablename__ = "scoring_job"
    __table_args__ = (CheckConstraint("purpose IN ('evaluation','identification')", name="purpose"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), unique=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), index=True)
    purpose: Mapped[str]
    images: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Prediction(Table):
    """The top five classes of an image with their confidences (0..1, highest first; NULL where fewer classes exist).

    `margin` is first minus second confidence; `entropy` is divided by log(classes), so 0..1. A row holds for the
    rotation it was computed with; another makes it stale.
    """

    __tablename__ = "prediction"
    __table_args__ = (
        Index("ix_prediction_class", "job_id", "class_1", "confidence_1", "image_id"),
        Index("ix_prediction_confidence", "job_id", "confidence_1", "image_id"),
        Index("ix_prediction_margin", "job_id", "margin", "image_id"),
        Index("ix_prediction_entropy", "job_id", "entropy", "image_id"),
        Index("ix_prediction_image", "image_id", "job_id"),
    )

    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    rotation: Mapped[int] = mapped_column(SmallInteger)
    class_1: Mapped[int]
    class_2: Mapped[int | None]
    class_3: Mapped[int | None]
    class_4: Mapped[int | None]
    class_5: Mapped[int | None]
    confidence_1: Mapped[float]
    confidence_2: Mapped[float | None]
    confidence_3: Mapped[float | None]
    confidence_4: Mapped[float | None]
    confidence_5: Mapped[float | None]
    margin: Mapped[float]
    entropy: Mapped[float]


class Candidate(Table):
    """An image that a job found for a class below the cutoff: `rank` 1 is the likeliest of its class.

    `score` is what ranks. Its two witnesses are kept, as the reason to list it: `confidence` by the head (0..1), and
    `similarity`, the cosine to `nearest_id`, the labelled image of the class that it is most like. `is_named`: at least
    one of them puts this class first.
    """

    __tablename__ = "candidate"
    __table_args__ = (Index("ix_candidate_image", "image_id", "job_id"),)

    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    nearest_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    score: Mapped[float]
    confidence: Mapped[float]
    similarity: Mapped[float]
    is_named: Mapped[bool]
