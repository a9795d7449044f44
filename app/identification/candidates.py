"""What a throw-away run is made for: the images of the pool that classes below the cutoff are waiting for.

A job that has scored its images ranks them for each such class. One pass over the embeddings keeps a shortlist by the
head and one by the class's centre; only these are looked at closely. Memory is bounded, and doing it again gives the
same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.datasets.queries import manifest
from app.datasets.schemas import Manifest
from app.embeddings.store import read_embeddings
from app.identification.ranking import Ids, Labelled, Ranked, Ranker, Rows
from app.identification.views import OPEN_STATES
from app.library.models import Image
from app.predictions.models import Candidate, Prediction
from app.registry.artifacts import LoadedHead, load_head

KEPT: Final = 200
SHORTLIST: Final = 1000
MOST_OTHERS: Final = 4000
SAMPLE: Final = 8192
_BLOCK: Final = 4096
_CLASSES_PER_WRITE: Final = 5

Tell = Callable[[int, int], None]


def find_candidates(job_id: int, version_id: int, *, tell: Tell) -> dict[str, int]:
    """Ranks and stores candidates for each class below the cutoff; how many are named, by class name.

    `tell` gets (images looked at, of how many); what it raises ends the work.
    """
    loaded = load_head(version_id)
    wanted = {entry.class_id: entry.name for entry in loaded.classes if entry.below_cutoff}
    if not wanted:
        return {}
    with read() as session:
        labelled = _labelled(session, manifest(session, loaded.version.snapshot_id), loaded, list(wanted))
    known = [class_id for class_id in wanted if np.any(labelled.class_ids == class_id)]
    waiting = np.fromiter(_waiting_ids(job_id), dtype=np.int64)
    found = dict.fromkeys(wanted.values(), 0)
    with write() as session:  # An earlier attempt's.
        session.execute(delete(Candidate).where(Candidate.job_id == job_id))
    if not known or not len(waiting):
        return found
    sample = _embeddings(loaded, waiting[:: max(1, len(waiting) // SAMPLE)])[1]
    ranker = Ranker(labelled, sample, loaded.head.scores(sample), loaded.class_ids)
    shortlists = _shortlists(loaded, ranker, known, waiting, tell)
    for start in range(0, len(known), _CLASSES_PER_WRITE):
        ranked = {
            class_id: _ranked(loaded, ranker, class_id, shortlists[class_id])
            for class_id in known[start : start + _CLASSES_PER_WRITE]
        }
        _store(job_id, ranked)
        found |= {wanted[class_id]: int(each.is_named.sum()) for class_id, each in ranked.items()}
    return found


def _labelled(session: Session, frozen: Manifest, loaded: LoadedHead, wanted: list[int]) -> Labelled:
    """Embeddings of all labelled images of the wanted classes, and of an even share of the others."""
    is_wanted = np.isin(frozen.class_ids, wanted)
    others = np.flatnonzero(~is_wanted)
    others = others[np.lexsort((frozen.image_ids[others], frozen.class_ids[others]))]
    chosen = np.concatenate([np.flatnonzero(is_wanted), others[:: max(1, -(-len(others) // MOST_OTHERS))]])
    found, rows = read_embeddings(session, loaded.version.trunk.id, frozen.image_ids[chosen].tolist())
    class_of = dict(zip(frozen.image_ids[chosen].tolist(), frozen.class_ids[chosen].tolist(), strict=True))
    ids = np.array(found, dtype=np.int64)
    return Labelled(ids, np.array([class_of[each] for each in found], dtype=np.int64), rows)


def _waiting_ids(job_id: int) -> Iterator[int]:
    """The job's images that could become usable for a class: undecided, good, no duplicates, in no benchmark set."""
    last = 0
    while True:
        query = (
            select(Image.id)
            .join(Prediction, Prediction.image_id == Image.id)
            .where(
                Prediction.job_id == job_id,
                Prediction.image_id > last,
                Image.state.in_(OPEN_STATES),
                Image.is_representative,
                ~Image.in_benchmark,
                or_(Image.quality.is_(None), Image.quality == "good"),
            )
            .order_by(Prediction.image_id)
            .limit(_BLOCK)
        )
        with read() as session:
            page = session.scalars(query).all()
        if not page:
            return
        yield from page
        last = page[-1]


def _embeddings(loaded: LoadedHead, image_ids: Ids) -> tuple[Ids, Rows]:
    with read() as session:
        found, rows = read_embeddings(session, loaded.version.trunk.id, image_ids.tolist())
    return np.array(found, dtype=np.int64), rows


class _Best:
    """The SHORTLIST best images by one measure, for each of several classes, block by block."""

    def __init__(self, classes: int) -> None:
        self._ids = np.empty((classes, 0), dtype=np.int64)
        self._values = np.empty((classes, 0), dtype=np.float32)

    def add(self, image_ids: Ids, values: Rows) -> None:
        """Take in a block: values float32 (N, classes), higher is better."""
        ids = np.concatenate([self._ids, np.broadcast_to(image_ids, (len(self._ids), len(image_ids)))], axis=1)
        both = np.concatenate([self._values, values.T], axis=1)
        kept = np.argsort(-both, axis=1, kind="stable")[:, :SHORTLIST]
        self._ids, self._values = np.take_along_axis(ids, kept, axis=1), np.take_along_axis(both, kept, axis=1)

    def of(self, place: int) -> Ids:
        """The images of one class, best first."""
        best: Ids = self._ids[place]
        return best


def _shortlists(
    loaded: LoadedHead, ranker: Ranker, class_ids: list[int], waiting: Ids, tell: Tell
) -> dict[int, NDArray[np.int64]]:
    """Ids (ascending) to look at closely, for each class."""
    columns = [loaded.class_ids.index(class_id) for class_id in class_ids]
    centres = ranker.centres(class_ids)
    by_head, by_centre = _Best(len(class_ids)), _Best(len(class_ids))
    for start in range(0, len(waiting), _BLOCK):
        found, rows = _embeddings(loaded, waiting[start : start + _BLOCK])
        if len(found):
            by_head.add(found, loaded.head.scores(rows)[:, columns])
            by_centre.add(found, ranker.space.place(rows) @ centres.T)
        tell(min(start + _BLOCK, len(waiting)), len(waiting))
    return {class_id: np.union1d(by_head.of(place), by_centre.of(place)) for place, class_id in enumerate(class_ids)}


def _ranked(loaded: LoadedHead, ranker: Ranker, class_id: int, image_ids: Ids) -> Ranked:
    found, rows = _embeddings(loaded, image_ids)
    return ranker.rank(class_id, found, rows, loaded.head.scores(rows), most=KEPT)


def _store(job_id: int, ranked: dict[int, Ranked]) -> None:
    rows = [row for class_id, each in ranked.items() for row in _rows(job_id, class_id, each)]
    with write() as session:
        session.connection().execute(insert(Candidate), rows)


def _rows(job_id: int, class_id: int, ranked: Ranked) -> list[Json]:
    names = ("image_id", "nearest_id", "score", "confidence", "similarity", "is_named")
    columns = (
        ranked.image_ids,
        ranked.nearest_ids,
        ranked.score,
        ranked.confidence,
        ranked.similarity,
        ranked.is_named,
    )
    return [
        {"job_id": job_id, "class_id": class_id, "rank": rank, **dict(zip(names, values, strict=True))}
        for rank, values in enumerate(zip(*(column.tolist() for column in columns), strict=True), start=1)
    ]
