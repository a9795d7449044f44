"""Scoring jobs and their compact rows; suggestions from the newest of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows, read, write
from app.core.errors import InvalidInput, NotFound
from app.embeddings.store import read_embeddings
from app.inference.ranking import top_k
from app.library.models import Image
from app.predictions.counts import COUNTED, kept_results
from app.predictions.indexing import index_job
from app.predictions.models import Prediction, ScoringJob
from app.predictions.rows import KEPT_CLASSES, CompactRows, compact_rows, insert_rows, ranked_classes
from app.registry.artifacts import load_head
from app.registry.queries import get_version, suggesting, version_classes
from app.registry.schemas import FrozenClass, VersionRef

ROWS_PER_WRITE: Final = 1000
PURPOSES: Final = ("evaluation", "identification")


@dataclass(frozen=True, slots=True)
class JobRef:
    """A scoring job, free of its session."""

    id: int
    run_id: int
    version_id: int
    purpose: str


_JOBS = select(ScoringJob.id, ScoringJob.run_id, ScoringJob.version_id, ScoringJob.purpose)


def open_job(session: Session, *, project_id: int, run_id: int, version_id: int, purpose: str) -> int:
    """The scoring job of a run, made at the first call; returns its id. Raises InvalidInput for another purpose."""
    if purpose not in PURPOSES:
        raise InvalidInput(f"a scoring job's purpose is one of {', '.join(PURPOSES)}; received {purpose!r}")
    known = session.scalar(select(ScoringJob.id).where(ScoringJob.run_id == run_id))
    if known is not None:
        return known
    return session.scalars(
        insert(ScoringJob).returning(ScoringJob.id),
        {
            "project_id": project_id,
            "run_id": run_id,
            "version_id": version_id,
            "purpose": purpose,
            "images": 0,
            "created_at": now(),
        },
    ).one()


def job_of_run(session: Session, run_id: int) -> JobRef | None:
    """The job that a run opened, if it did."""
    row = session.execute(_JOBS.where(ScoringJob.run_id == run_id)).one_or_none()
    return None if row is None else JobRef(*row)


def get_job(session: Session, job_id: int, project_id: int) -> JobRef:
    """A job of this project. Raises NotFound."""
    row = session.execute(_JOBS.where(ScoringJob.id == job_id, ScoringJob.project_id == project_id)).one_or_none()
    if row is None:
        raise NotFound(f"no scoring job {job_id} in this project")
    return JobRef(*row)


def store(
    session: Session,
    job_id: int,
    version_classes: Sequence[FrozenClass],
    image_ids: Sequence[int],
    scores: NDArray[np.float32],
) -> None:
    """Store the scores float32 (N, C) of at most about 1,000 images within the caller's write session."""
    insert_rows(session, job_id, compact_rows([entry.class_id for entry in version_classes], image_ids, scores))


def store_scores(job_id: int, class_ids: Sequence[int], image_ids: Sequence[int], scores: NDArray[np.float32]) -> None:
    """Store the scores float32 (N, C) of any number of images, as `store_rows` does."""
    store_rows(job_id, compact_rows(class_ids, image_ids, scores))


def store_rows(job_id: int, rows: CompactRows) -> None:
    """Store the rows of any number of images, in write sessions of its own.

    Each holds the lock for about 1,000 rows and then leaves as long to others.
    """
    for start in range(0, len(rows), ROWS_PER_WRITE):
        began = time.monotonic()
        with write() as session:
            insert_rows(session, job_id, rows.taken(slice(start, start + ROWS_PER_WRITE)))
        if start + ROWS_PER_WRITE < len(rows):
            time.sleep(time.monotonic() - began)


def count_rows(job_id: int) -> int:
    """How many images the job has scored so far."""
    with read() as session:
        if _counts_kept(session, job_id):
            return sum(kept_results(session, job_id).values())
        query = select(func.count()).select_from(Prediction).where(Prediction.job_id == job_id)
        return session.scalar(query) or 0


def _counts_kept(session: Session, job_id: int) -> bool:
    return session.scalar(select(ScoringJob.purpose).where(ScoringJob.id == job_id)) == COUNTED


def settle_rows(job_id: int) -> int:
    """What is to be done once a job's rows are there, before `finish_job`; returns how many rows there are."""
    index_job(job_id)
    return count_rows(job_id)


def finish_job(session: Session, job_id: int, *, images: int) -> None:
    """Mark a job as finished. `images` comes from `settle_rows`, called before the write session."""
    session.execute(update(ScoringJob).where(ScoringJob.id == job_id).values(images=images, finished_at=now()))


def newest_job_for(session: Session, version_id: int, purpose: str | None = None) -> JobRef | None:
    """The newest finished job of a version that has its results, of one purpose where given."""
    has_results = (ScoringJob.finished_at.is_not(None), ScoringJob.dropped_at.is_(None))
    query = _JOBS.where(ScoringJob.version_id == version_id, *has_results)
    if purpose is not None:
        query = query.where(ScoringJob.purpose == purpose)
    row = session.execute(query.order_by(ScoringJob.id.desc()).limit(1)).one_or_none()
    return None if row is None else JobRef(*row)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A class, by the name the version knows it under, and how sure the version is (0..1)."""

    class_id: int
    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Suggested:
    """Suggestions by image, best first; images that nothing is known of are absent. No version: there is none yet."""

    version_id: int | None
    version_number: int | None = None
    by_image: dict[int, list[Suggestion]] = field(default_factory=dict)


def suggestions(
    session: Session, project_id: int, image_ids: Sequence[int], *, version_id: int | None = None
) -> Suggested:
    """The top classes for a few images (a page of a grid at most) by the version that suggests, or by `version_id`.

    Stored predictions first, the newest for each image; an image without one is scored now where its embedding is at
    hand. `session` is one for reading. Raises NotFound for a version of another project.
    """
    if version_id is None:
        version_id = suggesting(session, project_id)
    if version_id is None:
        return Suggested(None)
    version = get_version(session, version_id, project_id)
    names = {entry.class_id: entry.name for entry in version_classes(session, version_id)}
    ranked = _stored(session, version, image_ids)
    rest = [image_id for image_id in image_ids if image_id not in ranked]
    if rest:
        ranked |= _scored_now(session, version, rest)
    return Suggested(
        version.id,
        version.number,
        {
            image_id: [Suggestion(class_id, names[class_id], confidence) for class_id, confidence in pairs]
            for image_id, pairs in ranked.items()
        },
    )


def _stored(session: Session, version: VersionRef, image_ids: Sequence[int]) -> dict[int, list[tuple[int, float]]]:
    """The newest prediction for each image's present rotation."""
    newest = (
        select(Prediction.image_id, func.max(Prediction.job_id).label("job_id"))
        .join(ScoringJob, ScoringJob.id == Prediction.job_id)
        .join(Image, Image.id == Prediction.image_id)
        .where(
            ScoringJob.version_id == version.id,
            Prediction.image_id.in_(id_rows(session, list(image_ids))),
            Prediction.rotation == Image.rotation,
        )
        .group_by(Prediction.image_id)
        .subquery()
    )
    rows = session.scalars(
        select(Prediction).join(
            newest, and_(newest.c.image_id == Prediction.image_id, newest.c.job_id == Prediction.job_id)
        )
    )
    return {row.image_id: ranked_classes(row) for row in rows}


def _scored_now(session: Session, version: VersionRef, image_ids: Sequence[int]) -> dict[int, list[tuple[int, float]]]:
    found, embeddings = read_embeddings(session, version.trunk.id, image_ids)
    if not found:
        return {}
    loaded = load_head(version.id)
    best, confidences = top_k(loaded.head.scores(embeddings), KEPT_CLASSES)
    class_ids = loaded.class_ids
    return {
        image_id: [
            (class_ids[position], float(confidence))
            for position, confidence in zip(best[row], confidences[row], strict=True)
        ]
        for row, image_id in enumerate(found)
    }
