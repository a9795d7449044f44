"""The results that are likeliest of a class that nobody has named, first: unlike what is labelled, like each other.

Of many that match, stretches at even steps of confidence are looked at; what that finds is weighed by `strangeness.py`
against labelled images of the classes that the version thought of.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.embeddings.store import read_embeddings
from app.identification.nearness import embeddings_of
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope
from app.identification.strangeness import strange_first
from app.identification.walking import look
from app.library.models import Image, ImageState
from app.predictions.models import Prediction

MOST: Final = 2_000
_STRETCHES: Final = 8
_KNOWN: Final = 4_000
_KNOWN_PER_CLASS: Final = 30
_MOST_CLASSES: Final = 400
_AT_ONCE: Final = 100
_CLASSES = (Prediction.class_1, Prediction.class_2, Prediction.class_3, Prediction.class_4, Prediction.class_5)


def unlike_first(session: Session, scope: JobScope, wanted: ResultFilter) -> list[int]:
    """Up to MOST results that match, the strangest first; those without an embedding come last.

    `session` is one for reading.
    """
    ids = _considered(session, scope, wanted)
    trunk_id, found, rows = embeddings_of(session, scope, ids)
    known = read_embeddings(session, trunk_id, _labelled(session, scope, ids))[1]
    order = [found[place] for place in strange_first(rows, known.reshape(-1, rows.shape[1]))]
    placed = set(order)
    return order + [each for each in ids if each not in placed]


def _considered(session: Session, scope: JobScope, wanted: ResultFilter) -> list[int]:
    """All that match, the most doubtful first, or so many spread over the confidences."""
    doubtful = wanted.model_copy(update={"sort": "doubtful", "group": None})
    first = look(session, scope, doubtful, limit=MOST)
    ids = dict.fromkeys(image_id for _, image_id in first.places)
    if first.reached is None or wanted.view == "candidates":
        return list(ids)
    low, high = wanted.low, wanted.high
    if wanted.view == "look_alikes":
        low, high = max(low, scope.looks_from), min(high, scope.upper_threshold)
    spread: dict[int, None] = {}
    for start in np.linspace(low, high, _STRETCHES, endpoint=False).tolist():
        part = look(session, scope, doubtful, limit=MOST // _STRETCHES, start=(start, 0))
        spread |= dict.fromkeys(image_id for _, image_id in part.places)
    return list(dict.fromkeys([*spread, *ids]))[:MOST]


def _labelled(session: Session, scope: JobScope, ids: list[int]) -> list[int]:
    """The newest labelled images of each class that is most often among the first five of these results."""
    rows = session.execute(
        select(*_CLASSES).where(Prediction.job_id == scope.job_id, Prediction.image_id.in_(id_rows(session, ids)))
    )
    counted = Counter(class_id for row in rows for class_id in row if class_id)
    classes = sorted(counted, key=lambda each: (-counted[each], each))[:_MOST_CLASSES]
    each_most = min(_KNOWN_PER_CLASS, _KNOWN // max(1, len(classes)))
    found: list[int] = []
    for start in range(0, len(classes), _AT_ONCE):
        newest = (
            select(Image.id)
            .where(Image.project_id == scope.project_id, Image.class_id == class_id)
            .where(Image.state == ImageState.LABELLED, ~Image.in_benchmark)
            .order_by(Image.id.desc())
            .limit(each_most)
            for class_id in classes[start : start + _AT_ONCE]
        )
        found += session.scalars(union_all(*(select(one.subquery()) for one in newest)))
    return sorted(found)
