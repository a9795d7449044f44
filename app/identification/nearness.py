"""Results by likeness: the images nearest to chosen ones by the reference trunk, and the embeddings to compare by."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.embeddings.centres import unit_rows
from app.embeddings.similarity import nearest_to
from app.embeddings.store import read_embeddings
from app.identification.scope import JobScope
from app.library.models import Image
from app.registry.queries import reference_trunk

NEAREST: Final = 1_000
_MEMORY: Final = "identification.nearest"
_ENOUGH: Final = 0.9


def nearest_of(session: Session, project_id: int, image_ids: list[int]) -> list[tuple[int, float]]:
    """(image, cosine to the mean of the chosen ones) of the NEAREST images of the project, likest first.

    The chosen ones are left out. Empty without a reference trunk, or where none of them is embedded or the project's.
    """
    memory: dict[tuple[int, ...], list[tuple[int, float]]] = (
        session.info.setdefault(_MEMORY, {}) if session.info.get("is_read") else {}
    )
    key = (project_id, *sorted(image_ids))
    if key not in memory:
        memory[key] = _look(session, project_id, list(key[1:]))
    return memory[key]


def _look(session: Session, project_id: int, image_ids: list[int]) -> list[tuple[int, float]]:
    trunk = reference_trunk(session, project_id)
    own = session.scalars(
        select(Image.id).where(Image.id.in_(id_rows(session, image_ids)), Image.project_id + 0 == project_id)
    ).all()
    if trunk is None or not own:
        return []
    found, rows = read_embeddings(session, trunk.id, sorted(own))
    if not found:
        return []
    middle = unit_rows(rows).mean(axis=0)
    near = nearest_to(session, project_id, trunk, middle, NEAREST, without=frozenset(own))
    return [(each.image_id, each.similarity) for each in near]


def embeddings_of(session: Session, scope: JobScope, ids: list[int]) -> tuple[int, list[int], NDArray[np.float32]]:
    """A trunk, and the images that have an embedding by it with these, float32 (N, E), in the order given.

    The reference trunk where it knows nearly all of them, else the version's own.
    """
    reference = reference_trunk(session, scope.project_id)
    own = scope.version.trunk.id
    best: tuple[int, list[int], NDArray[np.float32]] = (own, [], np.empty((0, 1), dtype=np.float32))
    for trunk_id in dict.fromkeys([*([reference.id] if reference else []), own]):
        found = trunk_id, *read_embeddings(session, trunk_id, ids)
        if len(found[1]) >= _ENOUGH * len(ids):
            return found
        best = found if len(found[1]) > len(best[1]) else best
    return best
