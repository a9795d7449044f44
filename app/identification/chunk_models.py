"""Tables of identification as shared work: chunks, what a standing job has seen, what became of the unknowns."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import JsonDocument, Table


class ChunkPlan(Table):
    """How a run's selection is cut: whole ranges of `ids_per_range` image ids, `images` in all, up to `planned_until`.

    `laid_out_at` is NULL while chunks are still added; a run that was killed then goes on from `planned_until`.
    """

    __tablename__ = "identification_plan"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"))
    ids_per_range: Mapped[int]
    images: Mapped[int] = mapped_column(default=0)
    chunks: Mapped[int] = mapped_column(default=0)
    planned_until: Mapped[int] = mapped_column(default=0)
    laid_out_at: Mapped[datetime | None]


class Chunk(Table):
    """The selection's images with ids from `first_id` to `last_id`, worked by one process at a time.

    A claim holds while the run that claimed it is running at that attempt with its lease: whoever died has lost it.
    `dealt` is how many of `images` are settled, whatever came of them.
    """

    __tablename__ = "identification_chunk"
    __table_args__ = (Index("ix_identification_chunk_claimed", "claimed_by"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    first_id: Mapped[int]
    last_id: Mapped[int]
    images: Mapped[int]
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    claimed_attempt: Mapped[int | None]
    dealt: Mapped[int] = mapped_column(default=0)
    scored: Mapped[int] = mapped_column(default=0)
    embedded: Mapped[int] = mapped_column(default=0)
    unreadable: Mapped[int] = mapped_column(default=0)
    unreadable_ids: Mapped[list[int]] = mapped_column(JsonDocument, default=list)
    seconds: Mapped[float] = mapped_column(default=0.0)
    done_at: Mapped[datetime | None]


class StandingJob(Table):
    """What the job that a version's standing runs share has seen of pool and unknowns.

    Every image up to `seen_until` was looked at; `looked_until` is how far the regular look for what was missed has
    come. One run works on it at a time (`run_id` at `run_attempt`); who comes meanwhile counts up `asked`.
    """

    __tablename__ = "standing_job"

    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    run_attempt: Mapped[int | None]
    asked: Mapped[int] = mapped_column(default=0)
    seen_until: Mapped[int] = mapped_column(default=0)
    looked_until: Mapped[int] = mapped_column(default=0)
    unreadable_ids: Mapped[list[int]] = mapped_column(JsonDocument, default=list)
    settled_at: Mapped[datetime | None]


class IdentificationRate(Table):
    """Images per second of one worker on this installation, over the last chunks that show it.

    `embedding`: images that had to be embedded first; `scoring`: those whose embedding was at hand.
    """

    __tablename__ = "identification_rate"

    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    images_per_s: Mapped[float]
    images: Mapped[int]
    measured_at: Mapped[datetime]


class UnknownsLook(Table):
    """A production version's first look at the unknowns, against the one that served before it."""

    __tablename__ = "unknowns_look"
    __table_args__ = (Index("ix_unknowns_look_newest", "project_id", "job_id"),)

    job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    previous_job_id: Mapped[int] = mapped_column(ForeignKey("scoring_job.id"))
    previous_version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    unknowns: Mapped[int]
    changed: Mapped[int]
    created_at: Mapped[datetime]


class UnknownsChange(Table):
    """Unknowns that now look like a class and did not before. `is_new_class`: the earlier version did not know it."""

    __tablename__ = "unknowns_change"

    job_id: Mapped[int] = mapped_column(ForeignKey("unknowns_look.job_id"), primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"), primary_key=True)
    images: Mapped[int]
    is_new_class: Mapped[bool]
