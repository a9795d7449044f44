"""The compact rows: from scores to the top five classes, and into SQL without ever storing an image twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.database import id_rows, is_sqlite
from app.core.errors import Conflict, InvalidInput, NotFound
from app.inference.ranking import margin, normalised_entropy, top_k
from app.library.models import Image
from app.predictions.counts import COUNTED, ResultKey, shift_results
from app.predictions.models import Prediction, ScoringJob
from app.predictions.writing import insert_columns

KEPT_CLASSES: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class CompactRows:
    """What is stored of N images, by columns.

    `image_ids` int64 (N,), `classes` (class ids) int64 and `confidences` float32 (N, at most 5), best first; `margins`
    and `entropies` float32 (N,).
    """

    image_ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    confidences: NDArray[np.float32]
    margins: NDArray[np.float32]
    entropies: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image_ids)

    def taken(self, places: slice | NDArray[np.intp]) -> CompactRows:
        """Some of the rows."""
        return CompactRows(
            self.image_ids[places],
            self.classes[places],
            self.confidences[places],
            self.margins[places],
            self.entropies[places],
        )


def compact_rows(class_ids: Sequence[int], image_ids: Sequence[int], scores: NDArray[np.float32]) -> CompactRows:
    """Rows for `insert_rows` from scores float32 (N, C) in the order of `class_ids`. Pure arithmetic: no lock held."""
    if scores.shape != (len(image_ids), len(class_ids)):
        raise InvalidInput(f"scores have the shape ({len(image_ids)}, {len(class_ids)}); received {scores.shape}")
    best, confidences = top_k(scores, KEPT_CLASSES)
    return CompactRows(
        np.asarray(image_ids, dtype=np.int64),
        np.asarray(class_ids, dtype=np.int64)[best],
        confidences,
        margin(confidences),
        normalised_entropy(scores),
    )


def insert_rows(session: Session, job_id: int, rows: CompactRows) -> None:
    """Insert rows for the images' present rotation, with the job's counts, in the caller's write session.

    What an image already has in the job for that rotation stays, so repeating does no harm. Raises NotFound for a job
    or an image that does not exist, Conflict for a job whose results were dropped.
    """
    if not len(rows):
        return
    counts = _counts(session, job_id)
    ordered = rows.taken(np.unique(rows.image_ids, return_index=True)[1])
    ids: list[int] = ordered.image_ids.tolist()
    images = _locked_images(session, ids)
    known = _known(session, job_id, ids)
    is_new = np.array([image_id not in known or known[image_id][0] != images[image_id][0] for image_id in ids])
    fresh = ordered.taken(np.flatnonzero(is_new))
    if not len(fresh):
        return
    fresh_ids: list[int] = fresh.image_ids.tolist()
    stale = [image_id for image_id in fresh_ids if image_id in known]
    if stale:
        session.execute(
            delete(Prediction).where(Prediction.job_id == job_id, Prediction.image_id.in_(id_rows(session, stale)))
        )
    insert_columns(session, job_id, fresh, [images[image_id][0] for image_id in fresh_ids])
    if counts:
        added = Counter(
            ResultKey(class_id, *images[image_id][1:])
            for image_id, class_id in zip(fresh_ids, fresh.classes[:, 0].tolist(), strict=True)
        )
        added.subtract(Counter(ResultKey(known[image_id][1], *images[image_id][1:]) for image_id in stale))
        shift_results(session, job_id, added)


def _counts(session: Session, job_id: int) -> bool:
    """Whether the job's results are counted."""
    job = session.execute(
        select(ScoringJob.purpose, ScoringJob.dropped_at).where(ScoringJob.id == job_id)
    ).one_or_none()
    if job is None:
        raise NotFound(f"no scoring job {job_id}")
    if job.dropped_at is not None:
        raise Conflict(f"the results of job {job_id} were dropped; start another identification")
    return bool(job.purpose == COUNTED)


def _locked_images(session: Session, ids: list[int]) -> dict[int, tuple[int, str, str]]:
    """(rotation, state, origin) by image. They stay so until the commit: who moves an image counts after us."""
    query = select(Image.id, Image.rotation, Image.state, Image.origin).where(Image.id.in_(id_rows(session, ids)))
    if not is_sqlite(session):
        query = query.order_by(Image.id).with_for_update(key_share=True)
    rows = session.connection().execute(query)
    found = {image_id: (rotation, state, origin) for image_id, rotation, state, origin in rows}
    if len(found) < len(ids):
        raise NotFound(f"no image {min(set(ids) - found.keys())}")
    return found


def _known(session: Session, job_id: int, ids: list[int]) -> dict[int, tuple[int, int]]:
    """(rotation, class in first place) of those that have a row in the job; `ids` is ascending."""
    rows = session.connection().execute(
        select(Prediction.image_id, Prediction.rotation, Prediction.class_1).where(
            Prediction.job_id == job_id, Prediction.image_id.between(ids[0], ids[-1])
        )
    )
    return {image_id: (rotation, class_id) for image_id, rotation, class_id in rows}


def predicted_ids(session: Session, job_id: int, image_ids: Sequence[int]) -> set[int]:
    """Those of the images that have a row in the job for their present rotation; `image_ids` is ascending."""
    if not image_ids:
        return set()
    rows = session.scalars(
        select(Prediction.image_id)
        .join(Image, Image.id == Prediction.image_id)
        .where(
            Prediction.job_id == job_id,
            Prediction.image_id.between(image_ids[0], image_ids[-1]),
            Prediction.rotation == Image.rotation,
        )
    )
    return set(rows) & set(image_ids)


def ranked_classes(row: Prediction) -> list[tuple[int, float]]:
    """(class id, confidence) of a compact row, best first."""
    places = range(1, KEPT_CLASSES + 1)
    pairs = [(getattr(row, f"class_{place}"), getattr(row, f"confidence_{place}")) for place in places]
    return [(class_id, confidence) for class_id, confidence in pairs if class_id is not None]
