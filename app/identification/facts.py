"""What the ready views go by: which classes only just made the cutoff, which rest on staged images, the thresholds.

A page reads it once for its job; a filter of the library, which knows only the job's number, has it asked in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, select
from sqlalchemy.orm import Session

from app.identification.act_models import Retirement
from app.identification.scope import LOWER, UPPER, JobScope
from app.labelling.class_counts import usable_up_to
from app.library.models import USABLE, Image, ImageCount, ImageState, Origin
from app.predictions.models import ScoringJob
from app.projects.models import Project
from app.registry.models import Deployment, VersionClass

OPEN_STATES: Final = (ImageState.POOL, ImageState.UNKNOWN)
STAGED: Final = (Origin.STAGED, Origin.SYNTHETIC)
JUST_MADE_IT: Final = 1.5
_MEMORY: Final = "identification.facts"


@dataclass(frozen=True, slots=True)
class Facts:
    """Class ids and thresholds (0..1), as values or as SQL that gives them."""

    low_classes: Sequence[int] | Select[int]
    leaning: Sequence[int] | Select[int]
    lower: float | ScalarSelect[float] | ColumnElement[float]
    upper: float | ScalarSelect[float] | ColumnElement[float]


def facts_in_sql(job_id: int) -> Facts:
    """The facts of a job, asked anew by whatever statement they are part of."""
    return Facts(_low_classes(job_id), _leaning(job_id), *_thresholds(job_id))


def facts_of(session: Session, scope: JobScope) -> Facts:
    """The facts of a job, read once for a session that only reads."""
    memory: dict[int, Facts] = session.info.setdefault(_MEMORY, {}) if session.info.get("is_read") else {}
    if scope.job_id not in memory:
        low_classes = _still_low(session, scope)
        leaning = session.scalars(_leaning(scope.job_id)).all()
        memory[scope.job_id] = Facts(low_classes, leaning, scope.lower_threshold, scope.upper_threshold)
    return memory[scope.job_id]


def _still_low(session: Session, scope: JobScope) -> list[int]:
    """As `_low_classes`, with each class counted no further than to what is enough."""
    enough = scope.lower_cutoff * JUST_MADE_IT
    were = [entry.class_id for entry in scope.classes if entry.usable < enough]
    usable = usable_up_to(session, scope.project_id, were, cap=ceil(enough)) if were else {}
    return [class_id for class_id in were if usable.get(class_id, 0) < enough]


def _low_classes(job_id: int) -> Select[int]:
    """Classes with fewer than one and a half times the cutoff, when the version was trained and still now."""
    enough = Project.lower_cutoff * JUST_MADE_IT
    usable = (
        select(func.count())
        .select_from(Image)
        .where(Image.project_id == ScoringJob.project_id, Image.class_id == VersionClass.class_id, USABLE)
        .correlate(ScoringJob, VersionClass)
        .scalar_subquery()
    )
    return (
        select(VersionClass.class_id)
        .join(ScoringJob, ScoringJob.version_id == VersionClass.version_id)
        .join(Project, Project.id == ScoringJob.project_id)
        .where(ScoringJob.id == job_id, VersionClass.usable < enough, usable < enough)
    )


def _leaning(job_id: int) -> Select[int]:
    """Classes whose labelled images are staged or synthetic in part, but for those that were retired."""
    retired = (
        select(Retirement.class_id, func.sum(Retirement.images).label("images"))
        .join(ScoringJob, ScoringJob.project_id == Retirement.project_id)
        .where(ScoringJob.id == job_id, Retirement.undone_at.is_(None))
        .group_by(Retirement.class_id)
        .subquery()
    )
    return (
        select(ImageCount.class_id)
        .join(ScoringJob, ScoringJob.project_id == ImageCount.project_id)
        .outerjoin(retired, retired.c.class_id == ImageCount.class_id)
        .where(
            ScoringJob.id == job_id,
            ImageCount.state == ImageState.LABELLED,
            ImageCount.origin.in_(STAGED),
            ImageCount.images > 0,
        )
        .group_by(ImageCount.class_id)
        .having(func.sum(ImageCount.images) > func.coalesce(func.max(retired.c.images), 0))
    )


def _thresholds(job_id: int) -> tuple[ColumnElement[float], ColumnElement[float]]:
    def of(column: ColumnElement[float], otherwise: float) -> ColumnElement[float]:
        found = (
            select(column)
            .join(ScoringJob, ScoringJob.project_id == Deployment.project_id)
            .where(ScoringJob.id == job_id, Deployment.is_active)
            .scalar_subquery()
        )
        return func.coalesce(found, otherwise)

    return of(Deployment.lower_threshold, LOWER), of(Deployment.upper_threshold, UPPER)  # type: ignore[arg-type]
