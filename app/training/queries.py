"""Reading training runs: their configuration and epochs, and the run to propose next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.datasets.models import Snapshot, SnapshotClass
from app.projects.models import Project
from app.registry.models import ModelVersion, VersionState
from app.registry.queries import newest_versions
from app.registry.trunks import DEFAULT_TRUNK, TRUNKS
from app.training.compression import FULL_PRECISION
from app.training.models import Epoch, TrainingRun
from app.training.schemas import TrainingDefaults, throwaway_lower


@dataclass(frozen=True, slots=True)
class LiftedClass:
    """A class that a throw-away run took below the cutoff, with what it has now."""

    class_id: int
    name: str
    usable_then: int
    usable_now: int
    cutoff: int

    @property
    def is_lifted(self) -> bool:
        """Whether it reaches the normal cutoff by now."""
        return self.usable_now >= self.cutoff


def defaults_for(session: Session, project_id: int) -> TrainingDefaults:
    """The run that needs no thought: warm from the newest version, or head only where there is none yet."""
    project = session.get(Project, project_id)
    if project is None:
        raise NotFound(f"no project {project_id}")
    versions = newest_versions(session, project_id, throwaway=False)
    usable = (v for v in versions if v.state != VersionState.REJECTED and v.trunk.precision == FULL_PRECISION)
    parent = next(usable, None)
    trunk = parent.trunk.architecture if parent else DEFAULT_TRUNK
    return TrainingDefaults(
        start="warm" if parent else "head_only",
        trunk=trunk,
        input_size=parent.trunk.input_size if parent else TRUNKS[trunk].default_input_size,
        parent=parent,
        lower=project.lower_cutoff,
        upper=project.upper_cutoff,
        throwaway_lower=throwaway_lower(project.lower_cutoff),
    )


def training_run(session: Session, run_id: int) -> TrainingRun | None:
    """The configuration of a run, if it is a training run."""
    return session.get(TrainingRun, run_id)


def epochs(session: Session, run_id: int) -> Sequence[Epoch]:
    """Finished epochs in order."""
    return session.scalars(select(Epoch).where(Epoch.run_id == run_id).order_by(Epoch.number)).all()


def version_of_run(session: Session, run_id: int) -> ModelVersion | None:
    """What the run made, once it has."""
    return session.scalar(select(ModelVersion).where(ModelVersion.run_id == run_id))


def runs_of_snapshot(session: Session, snapshot_id: int) -> Sequence[int]:
    """Training runs that point at a snapshot, the newest first."""
    return session.scalars(
        select(TrainingRun.run_id).where(TrainingRun.snapshot_id == snapshot_id).order_by(TrainingRun.run_id.desc())
    ).all()


def below_cutoff(session: Session, snapshot_id: int, normal_lower: int) -> Sequence[SnapshotClass]:
    """Classes that a snapshot took although they miss the normal cutoff."""
    return session.scalars(
        select(SnapshotClass)
        .join(Snapshot, Snapshot.id == SnapshotClass.snapshot_id)
        .where(
            SnapshotClass.snapshot_id == snapshot_id,
            SnapshotClass.position.is_not(None),
            SnapshotClass.usable < normal_lower,
        )
        .order_by(SnapshotClass.name)
    ).all()


def epoch_count(session: Session, run_id: int) -> int:
    """How many epochs are finished; changes exactly when the charts do."""
    return session.scalar(select(func.count()).select_from(Epoch).where(Epoch.run_id == run_id)) or 0
