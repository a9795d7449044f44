"""What a page over a job's results needs to know about the job."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.predictions.models import ScoringJob
from app.projects.models import Project
from app.registry.queries import get_version, production, version_classes
from app.registry.schemas import FrozenClass, VersionRef
from app.runs.models import Run


@dataclass(frozen=True, slots=True)
class JobScope:
    """A job with its version, the frozen class list, the project's lower cutoff and the thresholds in force (0..1)."""

    job_id: int
    run_id: int
    project_id: int
    images: int
    version: VersionRef
    classes: tuple[FrozenClass, ...]
    lower_cutoff: int
    lower_threshold: float
    upper_threshold: float
    is_standing: bool

    @property
    def has_candidates(self) -> bool:
        """Whether images are looked for that classes below the cutoff lack; a job that never ends looks for none."""
        return not self.is_standing and any(entry.below_cutoff for entry in self.classes)

    @property
    def looks_from(self) -> float:
        """The confidence (0..1) from which on results are look-alikes; up to the upper threshold."""
        return self.lower_threshold * LOOK_ALIKES_FROM

    @property
    def names(self) -> dict[int, str]:
        """Class names as the version knows them."""
        return {entry.class_id: entry.name for entry in self.classes}


# Before anything is promoted; the thresholds of a deployment replace them.
LOWER, UPPER = 0.4, 0.8
LOOK_ALIKES_FROM = 0.5
"""From how much of the lower threshold on: of an unknown class, half is below that threshold itself."""


def job_scope(session: Session, job_id: int, project_id: int) -> JobScope:
    """The identification job of this project. Raises NotFound."""
    job = session.execute(
        select(ScoringJob.run_id, ScoringJob.version_id, ScoringJob.images, Project.lower_cutoff, Run.coalesce_key)
        .join(Project, Project.id == ScoringJob.project_id)
        .join(Run, Run.id == ScoringJob.run_id)
        .where(
            ScoringJob.id == job_id,
            ScoringJob.project_id == project_id,
            ScoringJob.purpose == "identification",
            ScoringJob.dropped_at.is_(None),
        )
    ).one_or_none()
    if job is None:
        raise NotFound(f"no identification {job_id} with results in this project; old ones are dropped by its policy")
    serving = production(session, project_id)
    return JobScope(
        job_id,
        job.run_id,
        project_id,
        job.images,
        get_version(session, job.version_id, project_id),
        tuple(version_classes(session, job.version_id)),
        job.lower_cutoff,
        serving.lower if serving else LOWER,
        serving.upper if serving else UPPER,
        job.coalesce_key is not None,
    )
