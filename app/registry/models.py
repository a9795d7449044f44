"""Tables of model versions, what they are made of, and which one is in production."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Json, Table


class VersionState(StrEnum):
    """States of a model version; production is a pointer, not a state."""

    CANDIDATE = "candidate"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETIRED = "retired"


class Trunk(Table):
    """Image to embedding: one set of weights, by digest; several versions may share it."""

    __tablename__ = "trunk"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    architecture: Mapped[str]
    input_size: Mapped[int]
    width: Mapped[int]
    preprocessing: Mapped[str]
    weights_file: Mapped[str]
    exported_file: Mapped[str]
    exported_digest: Mapped[str]
    byte_count: Mapped[int]
    precision: Mapped[str] = mapped_column(default="float32")
    created_at: Mapped[datetime]


class ReferenceTrunk(Table):
    """The project's one trunk for duplicates, similarity and map; changed only by hand."""

    __tablename__ = "reference_trunk"

    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), primary_key=True)
    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"))


class TrunkSpeed(Table):
    """How fast an architecture was on this installation's machines: the last measuring for each device and threads.

    Images per second: a training step of all weights on `device`; the exported trunk on the CPU.
    """

    __tablename__ = "trunk_speed"

    architecture: Mapped[str] = mapped_column(primary_key=True)
    input_size: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    threads: Mapped[int] = mapped_column(primary_key=True)
    train_images_per_s: Mapped[float]
    infer_images_per_s: Mapped[float]
    measured_at: Mapped[datetime]


class ModelVersion(Table):
    """A trunk and a head, made by one run. A throw-away run's version carries that fact by composite foreign key."""

    __tablename__ = "model_version"
    __table_args__ = (
        CheckConstraint("state IN ('candidate','approved','rejected','retired')", name="state"),
        UniqueConstraint("project_id", "number"),
        UniqueConstraint("id", "throwaway"),
        UniqueConstraint("run_id"),
        ForeignKeyConstraint(["run_id", "throwaway"], ["run.id", "run.throwaway"]),
        ForeignKeyConstraint(
            ["parent_id", "parent_throwaway"], ["model_version.id", "model_version.throwaway"], name="fk_parent"
        ),
        CheckConstraint("parent_throwaway IS NULL OR NOT parent_throwaway", name="parent_not_throwaway"),
        CheckConstraint("(parent_id IS NULL) = (parent_throwaway IS NULL)", name="parent_pair"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    number: Mapped[int]
    run_id: Mapped[int]
    throwaway: Mapped[bool]
    state: Mapped[str] = mapped_column(default=VersionState.CANDIDATE)
    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), index=True)
    parent_id: Mapped[int | None]
    parent_throwaway: Mapped[bool | None]
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id"))
    start: Mapped[str]
    head_file: Mapped[str]
    head_digest: Mapped[str]
    temperature: Mapped[float] = mapped_column(default=1.0)
    lineage: Mapped[Json] = mapped_column(default=dict)
    card: Mapped[Json] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class VersionClass(Table):
    """The class list a version was trained with, frozen: position in the head, class, name at that time."""

    __tablename__ = "version_class"

    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("label_class.id"))
    name: Mapped[str]
    usable: Mapped[int]
    below_cutoff: Mapped[bool] = mapped_column(default=False)


class VersionTransition(Table):
    """Each change of state of a version, with its reason."""

    __tablename__ = "version_transition"

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), index=True)
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]


class Deployment(Table):
    """The production pointer with its history: the active row of a project is what serves.

    `throwaway` is part of a foreign key and fixed to false, so the database itself bars throw-away versions.
    """

    __tablename__ = "deployment"
    __table_args__ = (
        ForeignKeyConstraint(["version_id", "throwaway"], ["model_version.id", "model_version.throwaway"]),
        CheckConstraint("NOT throwaway", name="not_throwaway"),
        CheckConstraint("lower_threshold >= 0 AND lower_threshold <= upper_threshold", name="thresholds"),
        Index(
            "uq_deployment_active",
            "project_id",
            unique=True,
            sqlite_where=text("is_active"),
            postgresql_where=text("is_active"),
        ),
        Index("ix_deployment_history", "project_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    version_id: Mapped[int]
    throwaway: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool]
    act: Mapped[str]
    reason: Mapped[str]
    override_reason: Mapped[str | None]
    gate_report_id: Mapped[int | None] = mapped_column(ForeignKey("gate_report.id"))
    upper_threshold: Mapped[float]
    lower_threshold: Mapped[float]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
