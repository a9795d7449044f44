"""The orders in which a large job's results are walked: by class, confidence, margin and entropy.

On SQLite each large job has indexes of its own, made once its rows are there. Kept while rows come in, four orders over
all jobs would cost ten times what the rows themselves cost, for each row lands on another page of each index; and rows
leave as cheaply as they came once these are dropped. A small job is sorted in milliseconds. On PostgreSQL the indexes
belong to the job's partition (migration 0003), and nothing is done here.
"""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import is_sqlite, read, write
from app.predictions.models import Prediction, ScoringJob

LARGE: Final = 20_000
ORDERS: Final = {
    "class": "job_id, class_1, confidence_1, image_id",
    "confidence": "job_id, confidence_1, image_id",
    "margin": "job_id, margin, image_id",
    "entropy": "job_id, entropy, image_id",
}


def index_job(job_id: int, *, large: int = LARGE) -> None:
    """Give a job of at least `large` rows its indexes, where it has none; each in a transaction of its own.

    One holds SQLite's lock for about a second for a million rows, and then leaves as long to others; readers never
    wait. It is done at a job's end: no batch of rows before it costs more than its rows.
    """
    with read() as session:
        if not is_sqlite(session) or not _is_large(session, job_id, large):
            return
    for order, columns in ORDERS.items():
        began = time.monotonic()
        name = f"ix_prediction_{int(job_id)}_{order}"
        statement = f"CREATE INDEX IF NOT EXISTS {name} ON prediction ({columns}) WHERE job_id = {int(job_id)}"
        with write() as session:
            if not _stays(session, job_id):
                return
            session.connection().exec_driver_sql(statement)
        time.sleep(min(1.0, time.monotonic() - began))


def drop_indexes(job_id: int) -> None:
    """Take a job's indexes away, before its rows go; on SQLite alone. Each takes milliseconds: no row is touched."""
    for order in ORDERS:
        with write() as session:
            if is_sqlite(session):
                session.connection().exec_driver_sql(f"DROP INDEX IF EXISTS ix_prediction_{int(job_id)}_{order}")


def _is_large(session: Session, job_id: int, large: int) -> bool:
    """Whether there are so many rows, found without counting the rest."""
    nth = select(Prediction.image_id).where(Prediction.job_id == job_id).order_by(Prediction.image_id)
    return session.scalar(nth.offset(large - 1).limit(1)) is not None


def _stays(session: Session, job_id: int) -> bool:
    return (
        session.scalar(select(ScoringJob.id).where(ScoringJob.id == job_id, ScoringJob.dropped_at.is_(None)))
        is not None
    )
