"""Kept counts of an identification's results by predicted class, and by state and origin of the images.

They change in the transaction that changes a result (`rows.py`) or an image (`app/library/moves.py`), so a page reads
some thousand rows at most, however many images the job has. Evaluations keep none: no page counts them so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from sqlalchemy import Select, delete, func, select, text
from sqlalchemy.orm import Session

from app.core.database import id_rows, is_sqlite
from app.library.models import Image
from app.library.moves import Move
from app.predictions.models import Prediction, PredictionCount, ScoringJob

COUNTED: Final = "identification"
_ADD: Final = (
    "INSERT INTO prediction_count (job_id, class_id, state, origin, images) {values}"
    " ON CONFLICT (job_id, class_id, state, origin) DO UPDATE SET images = prediction_count.images + excluded.images"
)
_ADD_ON_SQLITE: Final = text(
    _ADD.format(
        values="SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(:rows) WHERE true"
    )
)
_ADD_ON_POSTGRESQL: Final = text(
    _ADD.format(
        values="SELECT * FROM unnest(CAST(:jobs AS bigint[]), CAST(:classes AS bigint[]), CAST(:states AS text[]),"
        " CAST(:origins AS text[]), CAST(:images AS bigint[]))"
    )
)


class ResultKey(NamedTuple):
    """What is counted: the class in first place, and the image's state and origin."""

    class_id: int
    state: str
    origin: str


def class_counts(
    session: Session,
    job_id: int,
    states: Collection[str] | None = None,
    origins: Collection[str] | None = None,
) -> list[tuple[int, int]]:
    """(class id, images predicted as it in first place), most images first; of these states and origins (None: all).

    Reads kept counts alone. What an image was predicted as before it was turned counts until it is scored again.
    """
    images = func.sum(PredictionCount.images)
    query = select(PredictionCount.class_id, images).where(PredictionCount.job_id == job_id)
    if states is not None:
        query = query.where(PredictionCount.state.in_([str(state) for state in states]))
    if origins is not None:
        query = query.where(PredictionCount.origin.in_([str(origin) for origin in origins]))
    rows = session.execute(query.group_by(PredictionCount.class_id).having(images > 0))
    return sorted(((class_id, int(count)) for class_id, count in rows), key=lambda pair: (-pair[1], pair[0]))


def kept_results(session: Session, job_id: int) -> Counter[ResultKey]:
    """The counts kept of a job; combinations without an image are left out."""
    rows = session.execute(
        select(PredictionCount.class_id, PredictionCount.state, PredictionCount.origin, PredictionCount.images).where(
            PredictionCount.job_id == job_id, PredictionCount.images != 0
        )
    )
    return Counter({ResultKey(class_id, state, origin): images for class_id, state, origin, images in rows})


def recount_results(session: Session, job_id: int) -> Counter[ResultKey]:
    """What a full count of the job says: the truth that `kept_results` must equal."""
    key = (Prediction.class_1, Image.state, Image.origin)
    rows = session.execute(
        select(*key, func.count())
        .join(Image, Image.id == Prediction.image_id)
        .where(Prediction.job_id == job_id)
        .group_by(*key)
    )
    return Counter({ResultKey(class_id, state, origin): images for class_id, state, origin, images in rows})


def shift_results(session: Session, job_id: int, changes: Mapping[ResultKey, int]) -> None:
    """Add changes (may be negative) to a job's counts, in the transaction that changes the results or the images."""
    _shift(session, {(job_id, *key): change for key, change in changes.items()})


def forget_counts(session: Session, job_id: int) -> None:
    """Drop a job's counts, with its last results."""
    session.execute(delete(PredictionCount).where(PredictionCount.job_id == job_id))


def follow_moves(session: Session, project_id: int, moves: Mapping[Move, list[int]]) -> None:
    """Bring the counts after images that moved: for each job that counts, one walk along its key."""
    jobs = list(session.scalars(counting_jobs(project_id)))
    if not jobs:
        return
    changes: Counter[tuple[int, int, str, str]] = Counter()
    for move, image_ids in moves.items():
        rows = session.execute(
            select(Prediction.job_id, Prediction.class_1, func.count())
            .where(Prediction.job_id.in_(jobs), Prediction.image_id.in_(id_rows(session, image_ids)))
            .group_by(Prediction.job_id, Prediction.class_1)
        )
        for job_id, class_id, images in rows:
            changes[job_id, class_id, *move.before] -= images
            changes[job_id, class_id, *move.after] += images
    _shift(session, changes)


def counting_jobs(project_id: int) -> Select[int]:
    """The project's jobs whose results are counted."""
    has_results = ScoringJob.dropped_at.is_(None)
    return select(ScoringJob.id).where(ScoringJob.project_id == project_id, ScoringJob.purpose == COUNTED, has_results)


def _shift(session: Session, changes: Mapping[tuple[int, int, str, str], int]) -> None:
    """One statement however many: with one for each, counting would take as long as storing."""
    rows = [(*key, change) for key, change in sorted(changes.items()) if change]  # One order: no two writers deadlock.
    if not rows:
        return
    if is_sqlite(session):
        session.execute(_ADD_ON_SQLITE, {"rows": json.dumps(rows)})
        return
    jobs, classes, states, origins, images = (list(column) for column in zip(*rows, strict=True))
    values = {"jobs": jobs, "classes": classes, "states": states, "origins": origins, "images": images}
    session.execute(_ADD_ON_POSTGRESQL, values)
