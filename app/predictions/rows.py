"""The compact rows: from scores to the top five classes, and into SQL without ever storing an image twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import Json, id_rows, insert_into
from app.core.errors import InvalidInput
from app.inference.ranking import margin, normalised_entropy, top_k
from app.library.models import Image
from app.predictions.models import Prediction

KEPT_CLASSES: Final = 5
_KEY: Final = ("job_id", "image_id")


def compact_rows(
    job_id: int, class_ids: Sequence[int], image_ids: Sequence[int], scores: NDArray[np.float32]
) -> list[Json]:
    """Rows for `insert_rows` from scores float32 (N, C) in the order of `class_ids`. Pure arithmetic: no lock held."""
    if scores.shape != (len(image_ids), len(class_ids)):
        raise InvalidInput(f"scores have the shape ({len(image_ids)}, {len(class_ids)}); received {scores.shape}")
    if not len(image_ids):
        return []
    best, confidences = top_k(scores, KEPT_CLASSES)
    margins, entropies = margin(confidences).tolist(), normalised_entropy(scores).tolist()
    classes = np.asarray(class_ids, dtype=np.int64)[best].tolist()
    padding = [None] * (KEPT_CLASSES - best.shape[1])
    class_names = [f"class_{place}" for place in range(1, KEPT_CLASSES + 1)]
    confidence_names = [f"confidence_{place}" for place in range(1, KEPT_CLASSES + 1)]
    return [
        {"job_id": job_id, "image_id": image_id, "margin": margins[row], "entropy": entropies[row]}
        | dict(zip(class_names, classes[row] + padding, strict=True))
        | dict(zip(confidence_names, values + padding, strict=True))
        for row, (image_id, values) in enumerate(zip(image_ids, confidences.tolist(), strict=True))
    ]


def insert_rows(session: Session, rows: Sequence[Json]) -> None:
    """Insert rows of `compact_rows` for the images' present rotation.

    What an image already has in the job for that rotation stays, so repeating does no harm.
    """
    if not rows:
        return
    ids = id_rows(session, [int(row["image_id"]) for row in rows])
    found = session.execute(select(Image.id, Image.rotation).where(Image.id.in_(ids)))
    rotations = {image_id: rotation for image_id, rotation in found}  # noqa: C416 - rows are no tuples to mypy
    complete = [{**row, "rotation": rotations[row["image_id"]]} for row in rows]
    statement = insert_into(session, Prediction)
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=list(_KEY),
            set_={name: statement.excluded[name] for name in complete[0] if name not in _KEY},
            where=Prediction.rotation != statement.excluded["rotation"],
        ),
        sorted(complete, key=lambda row: int(row["image_id"])),
    )


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
