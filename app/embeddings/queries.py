"""Which images there are to embed, and how far that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import id_rows, read
from app.core.errors import NotFound
from app.embeddings.centres import unit_rows
from app.embeddings.similarity import nearest, nearest_to
from app.embeddings.states import EMBEDDED_STATES
from app.embeddings.store import read_embeddings
from app.library.class_names import class_names
from app.library.filters import ImageFilter
from app.library.models import Image, ImageCount
from app.registry.queries import reference_trunk

_PAGE = 4096


def library_size(session: Session, project_id: int) -> int:
    """Images that can be embedded: neither removed nor quarantined."""
    counted = select(func.coalesce(func.sum(ImageCount.images), 0))
    of_project = (ImageCount.project_id == project_id, ImageCount.state.in_(EMBEDDED_STATES))
    # PostgreSQL adds whole numbers up to a decimal.
    return int(session.scalar(counted.where(*of_project)) or 0)


def library_ids(project_id: int) -> Iterator[int]:
    """Ids of the images that can be embedded, ascending, looked up page by page in short sessions."""
    last = 0
    while True:
        with read() as session:
            page = session.scalars(
                select(Image.id)
                .where(Image.project_id == project_id, Image.id > last, Image.state.in_(EMBEDDED_STATES))
                .order_by(Image.id)
                .limit(_PAGE)
            ).all()
        if not page:
            return
        yield from page
        last = page[-1]


@dataclass(frozen=True, slots=True)
class NeighbourCell:
    """A neighbour as a page shows it. `label` is None without one; `similarity` is a cosine."""

    image_id: int
    similarity: float
    rotation: int
    state: str
    label: str | None


def neighbour_cells(session: Session, project_id: int, image_id: int, k: int) -> list[NeighbourCell]:
    """The `k` nearest images with what is needed to show them; see `similarity.nearest`."""
    found = nearest(session, project_id, image_id, k)
    ids = [neighbour.image_id for neighbour in found]
    names = class_names(session, project_id)
    facts = {
        row.id: row
        for row in session.execute(
            select(Image.id, Image.rotation, Image.state, Image.class_id).where(Image.id.in_(id_rows(session, ids)))
        )
    }
    return [
        NeighbourCell(one.image_id, one.similarity, fact.rotation, fact.state, names.get(fact.class_id or 0))
        for one in found
        for fact in [facts[one.image_id]]
    ]


@dataclass(frozen=True, slots=True)
class Alike:
    """Images like some examples: the images found with their cosines, best first; examples without an embedding."""

    examples: Sequence[Image]
    images: Sequence[tuple[Image, float]]
    not_embedded: int


def similar_cells(session: Session, project_id: int, examples: list[int], chosen: ImageFilter, k: int) -> Alike:
    """The `k` images nearest to the mean direction of the examples, among those that match; they are left out.

    Raises NotFound where an example is not of this project.
    """
    known = session.scalars(
        select(Image).where(Image.project_id == project_id, Image.id.in_(id_rows(session, examples))).order_by(Image.id)
    ).all()
    if len(known) != len(examples):
        missing = sorted(set(examples) - {image.id for image in known})
        raise NotFound(f"no image {missing[0]} in this project")
    trunk = reference_trunk(session, project_id)
    found, rows = read_embeddings(session, trunk.id, examples) if trunk else ([], np.empty((0, 0), np.float32))
    if trunk is None or not found:
        return Alike(known, [], len(examples))
    near = nearest_to(
        session, project_id, trunk, unit_rows(rows).mean(axis=0), k, among=chosen, without=frozenset(examples)
    )
    cosines = {neighbour.image_id: neighbour.similarity for neighbour in near}
    images = session.scalars(select(Image).where(Image.id.in_(id_rows(session, list(cosines))))).all()
    in_order = sorted(((image, cosines[image.id]) for image in images), key=lambda pair: -pair[1])
    return Alike(known, in_order, len(examples) - len(found))
