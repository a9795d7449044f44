"""The rows of an evaluation: written in small steps beside those in force, then put in force all at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import and_, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, Table, read, write
from app.evaluation.figures import Scores, class_counts, confusion, is_right, summary
from app.evaluation.models import ClassFigure, ConfusionCell, Evaluation, JudgedImage
from app.evaluation.subsets import Subset
from app.evaluation.thresholds import Thresholds
from app.predictions.models import ScoringJob
from app.runs.models import Run, RunState

ROWS_PER_WRITE = 2000


@contextmanager
def _sparing_others() -> Iterator[Session]:
    """A write session, and then as long a pause for those who wait for the database."""
    began = time.monotonic()
    with write() as session:
        yield session
    time.sleep(time.monotonic() - began)


def store(
    *, version_id: int, job_id: int, attempt: int, thresholds: Thresholds, subset: Subset, rows: Scores
) -> tuple[int, Json]:
    """Write figures and judged images of one subset, not yet in force; returns (evaluation id, figures)."""
    right = is_right(rows, thresholds.upper)
    proposal = {"upper": thresholds.upper, "lower": thresholds.lower, "basis": thresholds.basis}
    figures = {**summary(rows, upper=thresholds.upper), "proposed_thresholds": proposal}
    values = {
        "version_id": version_id,
        "job_id": job_id,
        "attempt": attempt,
        "is_current": False,
        "subset": subset.name,
        "benchmark_set_id": subset.benchmark_set_id,
        "images": len(rows),
        "exposed": subset.exposed,
        "correct": int(right.sum()),
        "figures": figures,
        "created_at": now(),
    }
    counts, cells = class_counts(rows), confusion(rows)
    with _sparing_others() as session:
        evaluation_id = session.scalars(insert(Evaluation).returning(Evaluation.id), values).one()
        _insert(session, ClassFigure, ("class_id", "images", "predicted", "correct"), evaluation_id, counts)
        _insert(session, ConfusionCell, ("true_class_id", "predicted_class_id", "images"), evaluation_id, cells)
    columns = (rows.truth, rows.predicted, rows.image_ids, rows.confidence, right)
    judged = list(zip(*(column.tolist() for column in columns), strict=True))
    names = ("true_class_id", "predicted_class_id", "image_id", "confidence", "is_right")
    for start in range(0, len(judged), ROWS_PER_WRITE):
        with _sparing_others() as session:
            _insert(session, JudgedImage, names, evaluation_id, judged[start : start + ROWS_PER_WRITE])
    return evaluation_id, figures


def _insert(
    session: Session, table: type[Table], names: Sequence[str], evaluation_id: int, rows: Sequence[Sequence[object]]
) -> None:
    if rows:
        values = [{"evaluation_id": evaluation_id, **dict(zip(names, row, strict=True))} for row in rows]
        session.connection().execute(insert(table), values)


def put_in_force(session: Session, version_id: int, evaluation_ids: Sequence[int]) -> None:
    """Make these the version's evaluations. Call it in the write session that completes the run."""
    of_version = update(Evaluation).where(Evaluation.version_id == version_id)
    session.execute(of_version.where(Evaluation.is_current).values(is_current=False))
    session.execute(of_version.where(Evaluation.id.in_(evaluation_ids)).values(is_current=True))


def clear_leftovers(version_id: int, *, job_id: int, attempt: int) -> None:
    """Delete what is not in force and nobody writes any more: of ended runs and of this run's earlier attempts."""
    under_way = (RunState.QUEUED, RunState.RUNNING)
    earlier = and_(Evaluation.job_id == job_id, Evaluation.attempt < attempt)
    with read() as session:
        leftovers = session.scalars(
            select(Evaluation.id)
            .join(ScoringJob, ScoringJob.id == Evaluation.job_id)
            .join(Run, Run.id == ScoringJob.run_id)
            .where(
                Evaluation.version_id == version_id,
                ~Evaluation.is_current,
                or_(earlier, Run.state.not_in(under_way)),
            )
        ).all()
    for evaluation_id in leftovers:
        _delete(evaluation_id)


def _delete(evaluation_id: int) -> None:
    mine = JudgedImage.evaluation_id == evaluation_id
    for classes in _class_steps(evaluation_id):
        with _sparing_others() as session:
            session.execute(delete(JudgedImage).where(mine, JudgedImage.true_class_id.in_(classes)))
    with _sparing_others() as session:
        for table in (ConfusionCell, ClassFigure):
            session.execute(delete(table).where(table.evaluation_id == evaluation_id))
        session.execute(delete(Evaluation).where(Evaluation.id == evaluation_id))


def _class_steps(evaluation_id: int) -> Iterator[list[int]]:
    """True classes that together have about ROWS_PER_WRITE judged images."""
    with read() as session:
        cells = session.execute(
            select(ConfusionCell.true_class_id, ConfusionCell.images).where(
                ConfusionCell.evaluation_id == evaluation_id
            )
        ).all()
    images: dict[int, int] = {}
    for true_class_id, count in cells:
        images[true_class_id] = images.get(true_class_id, 0) + count
    step: list[int] = []
    for class_id in images:
        step.append(class_id)
        if sum(images[each] for each in step) >= ROWS_PER_WRITE:
            yield step
            step = []
    if step:
        yield step
