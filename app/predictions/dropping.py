"""Dropping results that nothing keeps: a partition at once on PostgreSQL, along the key in slices on SQLite.

A job is marked first: from then on its results are nobody's, and nothing is added to them. What follows may be killed
or repeated at any moment. SQLite knows no partitions, and a table for each job would have to be named in every query.
So its indexes are dropped whole, which takes milliseconds, and the rows go in the order in which they lie: 5,000 are
some hundred pages, so the lock is held no longer than for a batch that comes in.
"""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import is_sqlite, read, write
from app.core.logging import get_logger
from app.predictions.counts import forget_counts
from app.predictions.indexing import drop_indexes
from app.predictions.keeping import droppable
from app.predictions.models import Candidate, Prediction, ScoringJob
from app.projects.models import Project
from app.runs.context import RunContext
from app.runs.service import request_run

log = get_logger(__name__)
KIND: Final = "predictions.clean"
TITLE: Final = "Clean up old results"
_ROWS: Final = 5000
_CLASSES: Final = 10
_LOCK_TRIES: Final = 5
_PAUSE: Final = 0.05


def request_cleaning(session: Session, project_id: int, *, user_id: int | None) -> int:
    """Drop what nothing keeps, in the background. Returns the run, or the one queued already."""
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title=TITLE,
        parameters={},
        created_by=user_id,
        coalesce_key=f"{KIND}:{project_id}",
    )


def request_due_cleanings() -> int:
    """Ask for a clean-up in every project with results that nothing keeps; how many were asked for."""
    with read() as session:
        projects = session.scalars(select(Project.id).where(Project.archived_at.is_(None))).all()
        due = [each for each in projects if droppable(session, each) or _marked(session, each)]
    for project_id in due:
        with write() as session:
            request_cleaning(session, project_id, user_id=None)
    return len(due)


def clean_results(context: RunContext) -> None:
    """The run kind `predictions.clean`."""
    with read() as session:
        chosen = droppable(session, context.project_id)
    for job_id in chosen:
        _mark(context.project_id, job_id)
    with read() as session:
        marked = _marked(session, context.project_id)
    dropped = images = 0
    for place, (job_id, size) in enumerate(marked):
        context.progress(place, len(marked), f"Dropping the results of job {job_id}")
        if _drop(context, job_id):
            dropped, images = dropped + 1, images + size
    with write() as session:
        context.complete(session, {"jobs": dropped, "results": images, "left": len(marked) - dropped})


def _marked(session: Session, project_id: int) -> list[tuple[int, int]]:
    """(job, images) of those that are marked and not yet emptied."""
    query = select(ScoringJob.id, ScoringJob.images).where(
        ScoringJob.project_id == project_id, ScoringJob.dropped_at.is_not(None), ScoringJob.emptied_at.is_(None)
    )
    return [(job_id, images) for job_id, images in session.execute(query.order_by(ScoringJob.id))]


def _mark(project_id: int, job_id: int) -> None:
    """From here on the job's results are gone, unless something keeps them by now."""
    with write() as session:
        if not is_sqlite(session):
            # No run can be claimed between the look at who needs the job and the mark.
            session.execute(text("LOCK TABLE run IN SHARE MODE"))
        if job_id in droppable(session, project_id):
            session.execute(update(ScoringJob).where(ScoringJob.id == job_id).values(dropped_at=now()))


def _drop(context: RunContext, job_id: int) -> bool:
    """Empty a marked job. False: others were at it all the time, so it is for the next clean-up."""
    with read() as session:
        has_partitions = not is_sqlite(session)
    if has_partitions:
        if not _drop_partition(job_id):
            return False
    else:
        drop_indexes(job_id)
        _drop_rows(context, job_id)
    _drop_candidates(job_id)
    with write() as session:
        forget_counts(session, job_id)
        session.execute(update(ScoringJob).where(ScoringJob.id == job_id).values(emptied_at=now()))
    return True


def _drop_partition(job_id: int) -> bool:
    """Detach and drop the job's partition. It needs the whole table for a moment; others never wait long for that."""
    name = f"prediction_job_{int(job_id)}"
    for _ in range(_LOCK_TRIES):
        try:
            with write() as session:
                session.execute(text("SET LOCAL lock_timeout = '500ms'"))
                if session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
                    session.execute(text(f"ALTER TABLE prediction DETACH PARTITION {name}"))
                    session.execute(text(f"DROP TABLE {name}"))
        except OperationalError as error:
            log.info("results are being read; dropping them waits", job_id=job_id, reason=str(error.orig))
            time.sleep(1)
        else:
            return True
    return False


def _drop_rows(context: RunContext, job_id: int) -> None:
    of_job = Prediction.job_id == job_id
    first = select(Prediction.image_id).where(of_job).order_by(Prediction.image_id)
    while True:
        began = time.monotonic()
        with write() as session:
            last = session.scalar(first.offset(_ROWS - 1).limit(1))
            here = of_job if last is None else of_job & (Prediction.image_id <= last)
            session.execute(delete(Prediction).where(here), execution_options={"synchronize_session": False})
        if last is None:
            return
        context.raise_if_cancelled()
        time.sleep(time.monotonic() - began)


def _drop_candidates(job_id: int) -> None:
    """Candidates of a few classes at a time: there are some hundred for each."""
    classes = select(Candidate.class_id).where(Candidate.job_id == job_id).distinct()
    while True:
        with write() as session:
            some = session.scalars(classes.order_by(Candidate.class_id).limit(_CLASSES)).all()
            of_some = delete(Candidate).where(Candidate.job_id == job_id, Candidate.class_id.in_(some))
            session.execute(of_some, execution_options={"synchronize_session": False})
        if not some:
            return
        time.sleep(_PAUSE)
