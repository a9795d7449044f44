"""Whose results a project keeps: the policy, and who else needs a job.

A job's results stay while it is one of the newest of its purpose (`WINNOW_JOBS_KEPT`) and not too old
(`WINNOW_JOB_DAYS`). Beyond that they stay for whoever needs them: production, the newest versions, runs in hand, and
what the domains above declare. The job itself, its run and its figures stay for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.settings import get_settings
from app.predictions.models import ScoringJob
from app.registry.models import ModelVersion
from app.registry.queries import newest_versions, production
from app.runs.models import Run, RunState

# Says for a project which jobs are needed, and by what.
Needs = Callable[[Session, int], Mapping[int, str]]
_IN_HAND: Final = (RunState.QUEUED, RunState.RUNNING)

_joined: dict[str, tuple[Needs, ...]] = {}


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job whose results are there. `reasons` says why they stay; none: they go with the next clean-up."""

    id: int
    run_id: int
    purpose: str
    version_number: int
    throwaway: bool
    images: int
    created_at: datetime
    reasons: tuple[str, ...]


def join_needs(*needs: Needs) -> None:
    """Declare, once for this process, which domains say what they need (`app.assembly.needing`)."""
    _joined["all"] = needs


def held_jobs(session: Session, project_id: int) -> list[HeldJob]:
    """Every job with results, newest first."""
    jobs = _jobs(session, project_id)
    reasons = _reasons(session, project_id, jobs)
    return [
        HeldJob(
            job.id,
            job.run_id,
            job.purpose,
            job.number,
            job.throwaway,
            job.images,
            job.created_at,
            tuple(reasons.get(job.id, ())),
        )
        for job in jobs
    ]


def droppable(session: Session, project_id: int) -> list[int]:
    """Jobs whose results nothing keeps, oldest first. Raises RuntimeError where nobody joined those who need them."""
    jobs = _jobs(session, project_id)
    reasons = _reasons(session, project_id, jobs)
    return sorted(job.id for job in jobs if job.id not in reasons)


def _jobs(session: Session, project_id: int) -> list[Row[Any]]:
    query = (
        select(
            ScoringJob.id,
            ScoringJob.run_id,
            ScoringJob.version_id,
            ScoringJob.purpose,
            ScoringJob.images,
            ScoringJob.created_at,
            ModelVersion.number,
            ModelVersion.throwaway,
        )
        .join(ModelVersion, ModelVersion.id == ScoringJob.version_id)
        .where(ScoringJob.project_id == project_id, ScoringJob.dropped_at.is_(None))
        .order_by(ScoringJob.id.desc())
    )
    return list(session.execute(query))


def _reasons(session: Session, project_id: int, jobs: list[Row[Any]]) -> dict[int, list[str]]:
    if "all" not in _joined:
        raise RuntimeError("results are dropped only where app.assembly.needing is imported")
    reasons: defaultdict[int, list[str]] = defaultdict(list)
    for job_id, reason in _by_age(jobs):
        reasons[job_id].append(reason)
    versions = _versions_kept(session, project_id)
    for job in jobs:
        if job.version_id in versions:
            reasons[job.id].append(versions[job.version_id])
    for job_id, reason in _by_runs(session, project_id, jobs):
        reasons[job_id].append(reason)
    for needs in _joined["all"]:
        for job_id, reason in needs(session, project_id).items():
            reasons[job_id].append(reason)
    return dict(reasons)


def _by_age(jobs: list[Row[Any]]) -> Iterator[tuple[int, str]]:
    """The newest of each purpose, as long as they are not too old; `jobs` is newest first."""
    settings = get_settings()
    oldest = now() - timedelta(days=settings.job_days)
    seen: defaultdict[str, int] = defaultdict(int)
    for job in jobs:
        seen[job.purpose] += 1
        if seen[job.purpose] <= settings.jobs_kept and job.created_at >= oldest:
            yield job.id, f"one of the newest {settings.jobs_kept}"


def _versions_kept(session: Session, project_id: int) -> dict[int, str]:
    """Versions all of whose results stay, with the reason."""
    most = get_settings().embedding_versions_kept
    newest = newest_versions(session, project_id, limit=most, throwaway=False) if most else []
    kept = {version.id: f"version {version.number} is one of the newest {most}" for version in newest}
    serving = production(session, project_id)
    return kept | ({serving.version_id: "its version is in production"} if serving else {})


def _by_runs(session: Session, project_id: int, jobs: list[Row[Any]]) -> Iterator[tuple[int, str]]:
    """What a queued or running run fills, or names in its parameters as a job or a version."""
    active = select(Run.id, Run.parameters).where(Run.project_id == project_id, Run.state.in_(_IN_HAND))
    for run_id, parameters in session.execute(active).all():
        named = set(_named(parameters))
        for job in jobs:
            if job.run_id == run_id or {("job_id", job.id), ("version_id", job.version_id)} & named:
                yield job.id, f"run {run_id}"


def _named(value: object) -> Iterator[tuple[str, int]]:
    """Every (key, number) in parameters, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, int):
                yield key, inner
            else:
                yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
