"""How the scores of a job lie, counted once and kept: the pool's, and those of labelled images beside them.

A histogram over a million rows is no work for a page. It is counted by a run, part by part, and kept; only of a small
job a page counts it by itself. The labelled images are those that tell what a threshold would cost: they were labelled
since the job scored them, or the version was measured on them and never learnt from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import insert_into, read, write
from app.evaluation.models import Evaluation, JudgedImage
from app.identification.act_models import ScoreBins
from app.identification.act_schemas import MEASURES, Measure
from app.identification.scope import JobScope, job_scope
from app.library.models import Image, ImageState
from app.predictions.models import Prediction
from app.runs.context import RunContext
from app.runs.service import request_run

KIND: Final = "identification.bins"
COUNT: Final = 100
COUNTED_BY_PAGE: Final = 5000
_PAGE: Final = 20_000

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bins:
    """Images by score, COUNT bins of 0.01 each: in the pool, and labelled ones. `counted_at` is None for just now."""

    pool: Sequence[int]
    labelled: Sequence[int]
    counted_at: datetime | None

    def below(self, per_cent: int) -> tuple[int, int]:
        """(pool, labelled) images that score below so many hundredths."""
        return sum(self.pool[:per_cent]), sum(self.labelled[:per_cent])


def value_of(measure: Measure) -> ColumnElement[float]:
    """What of a prediction is low where the model can make little of an image, 0..1."""
    if measure == "certainty":
        return 1.0 - Prediction.entropy
    return (Prediction.confidence_1 if measure == "confidence" else Prediction.margin).expression


def bins_of(session: Session, scope: JobScope, measure: Measure) -> Bins | None:
    """How a job's scores lie: as they are in a small job, else as they were last counted, None before that."""
    if scope.images <= COUNTED_BY_PAGE:
        rows = session.execute(_scores(scope.job_id, measure).limit(COUNTED_BY_PAGE)).all()
        pool, labelled = _counted(rows, _measured(session, scope, measure))
        return Bins(pool.tolist(), labelled.tolist(), None)
    kept = session.get(ScoreBins, (scope.job_id, measure))
    return Bins(kept.bins["pool"], kept.bins["labelled"], kept.counted_at) if kept else None


def request_bins(session: Session, *, project_id: int, job_id: int, user_id: int | None) -> int:
    """Queue a count of a job's scores; returns its run. Requests that wait become one."""
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title="Count how the scores lie",
        parameters={"job_id": job_id},
        created_by=user_id,
        coalesce_key=f"{KIND}:{job_id}",
    )


def count_bins(context: RunContext) -> None:
    """The run kind `identification.bins`: counts every measure anew. Repeatable."""
    with read() as session:
        scope = job_scope(session, context.parameters["job_id"], context.project_id)
    for measure in MEASURES:
        with read() as session:
            others = _measured(session, scope, measure)
        counts, last, seen = _counted([], others), 0, 0
        while True:
            query = _scores(scope.job_id, measure).where(Prediction.image_id > last)
            with read() as session:
                rows = session.execute(query.order_by(Prediction.image_id).limit(_PAGE)).all()
            if not rows:
                break
            counts, last, seen = counts + _counted(rows, []), rows[-1].image_id, seen + len(rows)
            context.progress(min(seen, scope.images), scope.images, "Counting")
        _keep(scope.job_id, measure, counts, seen)
    with write() as session:
        context.complete(session, {"job_id": scope.job_id, "images": scope.images})


def _scores(job_id: int, measure: Measure) -> Any:
    return (
        select(Prediction.image_id, value_of(measure).label("score"), Image.state)
        .join(Image, Image.id == Prediction.image_id)
        .where(Prediction.job_id == job_id)
    )


def _measured(session: Session, scope: JobScope, measure: Measure) -> Sequence[float]:
    """Scores of the labelled images that the version was measured on, and that this job did not score itself."""
    judged = (
        select(value_of(measure))
        .select_from(JudgedImage)
        .join(Evaluation, Evaluation.id == JudgedImage.evaluation_id)
        .join(Prediction, (Prediction.job_id == Evaluation.job_id) & (Prediction.image_id == JudgedImage.image_id))
        .join(Image, Image.id == JudgedImage.image_id)
        .where(
            Evaluation.version_id == scope.version.id,
            Evaluation.is_current,
            Evaluation.subset.in_(("test", "validation")),
            Image.state == ImageState.LABELLED,
        )
    )
    return session.scalars(judged).all()


def _counted(rows: Sequence[Any], measured: Sequence[float]) -> Counts:
    """Counts (2, COUNT): of the pool, and of labelled images."""
    scores = np.array([row.score for row in rows], dtype=np.float64)
    states = np.array([row.state for row in rows], dtype=np.str_)
    labelled = np.concatenate([scores[states == ImageState.LABELLED.value], np.array(measured, dtype=np.float64)])
    return np.stack([_histogram(scores[states == ImageState.POOL.value]), _histogram(labelled)])


def _histogram(scores: NDArray[np.float64]) -> Counts:
    """A score of exactly k hundredths is in bin k, as `score < k / 100` has it in SQL."""
    edges = np.array([each / COUNT for each in range(1, COUNT)])
    return np.bincount(np.searchsorted(edges, scores, side="right"), minlength=COUNT)[:COUNT].astype(np.int64)


def _keep(job_id: int, measure: Measure, counts: Counts, images: int) -> None:
    pool, labelled = counts.tolist()
    row = {"images": images, "counted_at": now(), "bins": {"pool": pool, "labelled": labelled}}
    with write() as session:
        statement = insert_into(session, ScoreBins).values(job_id=job_id, measure=measure, **row)
        session.execute(statement.on_conflict_do_update(index_elements=["job_id", "measure"], set_=row))
