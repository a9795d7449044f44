"""Which sub-classes of a class have no test image, and which results look like them: by the nearest labelled image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.embeddings.centres import unit_rows
from app.embeddings.store import read_embeddings
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope
from app.identification.walking import look
from app.labelling.models import SubClass
from app.library.models import USABLE, Image

_LOOKED_AT: Final = 10_000
_RESULTS: Final = 400
_EXAMPLES: Final = 100
_SHOWN_AS_LIKE: Final = 12


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A sub-class without a test image; `candidates` results are nearest to one of its labelled images.

    `like` are some of these, as the filter by likeness takes them; empty where none is labelled.
    """

    name: str
    labelled: int
    candidates: int
    like: str


def missing_parts(session: Session, scope: JobScope, waiting: ResultFilter) -> list[MissingPart]:
    """The sub-classes of the filter's class that no test image shows, with candidates among its surest results."""
    class_id = waiting.class_id
    names = dict(session.execute(select(SubClass.id, SubClass.name).where(SubClass.class_id == class_id)).all())
    if not names or class_id is None:
        return []
    usable, tested = _counts(session, scope, class_id)
    missing = [sub_id for sub_id in names if not tested[sub_id]]
    if not missing:
        return []
    examples = _examples(session, scope, class_id)
    found = _nearest(session, scope, waiting, examples)
    parts = [
        MissingPart(
            names[sub_id],
            usable[sub_id],
            found[sub_id],
            ",".join(map(str, sorted(examples.get(sub_id, [])[:_SHOWN_AS_LIKE]))),
        )
        for sub_id in missing
    ]
    return sorted(parts, key=lambda part: (-part.candidates, part.name.casefold()))


def _counts(session: Session, scope: JobScope, class_id: int) -> tuple[Counter[int], Counter[int]]:
    """Usable images by sub-class, and those of them that test; of the newest 10,000."""
    some = (
        select(Image.sub_class_id, Image.split)
        .where(Image.project_id == scope.project_id, Image.class_id == class_id, USABLE)
        .limit(_LOOKED_AT)
        .subquery()
    )
    rows = session.execute(select(some, func.count()).group_by(some.c.sub_class_id, some.c.split))
    usable: Counter[int] = Counter()
    tested: Counter[int] = Counter()
    for sub_id, split, images in rows:
        usable[sub_id] += images
        tested[sub_id] += images if split == "test" else 0
    return usable, tested


def _examples(session: Session, scope: JobScope, class_id: int) -> Mapping[int, list[int]]:
    """Labelled images of each sub-class, the newest first."""
    of_class = (Image.project_id == scope.project_id, Image.class_id == class_id, Image.sub_class_id.is_not(None))
    rows = session.execute(
        select(Image.sub_class_id, Image.id).where(*of_class).order_by(Image.id.desc()).limit(_LOOKED_AT)
    )
    found: defaultdict[int, list[int]] = defaultdict(list)
    for sub_id, image_id in rows:
        if sub_id is not None and len(found[sub_id]) < _EXAMPLES:
            found[sub_id].append(image_id)
    return found


def _nearest(
    session: Session, scope: JobScope, waiting: ResultFilter, examples: Mapping[int, list[int]]
) -> Counter[int]:
    """How many of the surest results are nearest to a labelled image of each sub-class, by the version's own trunk."""
    sub_of = {image_id: sub_id for sub_id, ids in examples.items() for image_id in ids}
    ids = [image_id for _, image_id in look(session, scope, waiting, limit=_RESULTS).places]
    known, labelled = read_embeddings(session, scope.version.trunk.id, sorted(sub_of))
    results, rows = read_embeddings(session, scope.version.trunk.id, sorted(ids))
    if not known or not results:
        return Counter()
    best = np.argmax(unit_rows(rows) @ unit_rows(labelled).T, axis=1)
    return Counter(sub_of[known[place]] for place in best.tolist())
