"""Tables of predictions: a scoring job, one compact row for each image it scored, and candidates for rare classes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table

PLACES: Final = (1, 2, 3, 4, 5)


class ScoringJob(Table):
    """One version over one selection of images, for one purpose; made by one run.

    The job stays when its results go: `dropped_at` says when that began, `emptied_at` when the last of them was gone.
    """

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
    dropped_at: Mapped[datetime | None]
    emptied_at: Mapped[datetime | None]


class Prediction(Table):
    """The top five classes of an image with their confidences (0..1, highest first; NULL where fewer classes exist).

    `margin` is first minus second confidence; `entropy` is divided by log(classes), so 0..1. A row holds for the
    rotation it was computed with; another makes it stale.

    How the rows lie is written by hand (migration 0003): in the order of their key on SQLite, with indexes of each
    large job's own (`indexing.py`); a partition for each job, with its indexes, on PostgreSQL. No foreign keys: jobs
    and images are never deleted, `rows.py` holds the images while it inserts, and a check for each row would cost as
    much as the row.
    """

    __tablename__ = "prediction"
    __table_args__ = ({"sqlite_with_rowid": False, "postgresql_partition_by": "LIST (job_id)"},)

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    image_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rotation: Mapped[int] = mapped_column(SmallInteger)
    class_1: Mapped[int] = mapped_column(Integer)
    class_2: Mapped[int | None] = mapped_column(Integer)
    class_3: Mapped[int | None] = mapped_column(Integer)
    class_4: Mapped[int | None] = mapped_column(Integer)
    class_5: Mapped[int | None] = mapped_column(Integer)
    confidence_1: Mapped[float]
    confidence_2: Mapped[float | None]
    confidence_3: Mapped[float | None]
    confidence_4: Mapped[float | None]
    confidence_5: Mapped[float | None]
    margin: Mapped[float]
    entropy: Mapped[float]


class PredictionCount(Table):
    """Kept counts of an identification's results, changed in the transaction that changes results or images.

    By the class in first place, and by the image's state and origin as they are now.
    """

    __tablename__ = "prediction_count"

    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str] = mapped_column(primary_key=True)
    images: Mapped[int] = mapped_column(default=0)


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
