"""What of a selection a job has not scored yet, by ascending image id, looked up in short sessions.

An image counts as scored while its row is of its present rotation. Nothing here holds more than a page of ids, except
for a stored list, which is as long as somebody made it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from app.core.database import id_rows, read
from app.identification.schemas import Selection
from app.identification.selection import PAGE, selected_images, stored_list
from app.library.models import Image, ImageState
from app.predictions.models import Prediction

# Of a standing job nearly everything is scored: ids are looked through in spans, so that no statement grows with the
# library.
IDS_PER_LOOK: Final = 200_000
_NEVER: Final = (ImageState.REMOVED, ImageState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Block:
    """Waiting images that follow each other: the lowest and the highest id, and how many they are."""

    first_id: int
    last_id: int
    images: int


class Waiting:
    """A selection's images that a job has not scored. `without` are ids that are known to give no pixels."""

    def __init__(
        self, selection: Selection, *, project_id: int, job_id: int, without: Collection[int] = frozenset()
    ) -> None:
        self._selection = selection
        self._project_id = project_id
        self._job_id = job_id
        self._without = sorted(without)
        self._listed = stored_list(selection) if selection.kind == "ids" else []
        self._is_sparse = selection.kind == "open"

    def block(self, after: int, until: int, limit: int) -> Block | None:
        """The next `limit` images, or as many as there are, with ids above `after` up to `until`; None: no more."""
        for low, high in self._spans(after, until):
            with read() as session:
                ids = self._query(session, low, high).order_by(Image.id).limit(limit).subquery()
                found = session.execute(select(func.min(ids.c.id), func.max(ids.c.id), func.count())).one()
            if found[2]:
                return Block(*found)
        return None

    def count(self, first_id: int, last_id: int) -> int:
        """How many images there are within these bounds."""
        if last_id < first_id:
            return 0
        with read() as session:
            ids = self._query(session, first_id - 1, last_id).subquery()
            return session.scalar(select(func.count()).select_from(ids)) or 0

    def ids(self, first_id: int, last_id: int) -> Iterator[int]:
        """The ids within these bounds, page by page: what was labelled or scored meanwhile is left out."""
        for low, high in self._spans(first_id - 1, last_id):
            at = low
            while True:
                with read() as session:
                    query = self._query(session, at, high).order_by(Image.id).limit(PAGE)
                    page = session.scalars(query).all()
                yield from page
                if len(page) < PAGE:
                    break
                at = page[-1]

    def _spans(self, after: int, until: int) -> Iterator[tuple[int, int]]:
        """(above, up to): spans of ids that one statement may look through."""
        if self._listed:
            places = range(bisect_right(self._listed, after), bisect_right(self._listed, until), PAGE)
            for place in places:
                yield self._listed[place] - 1, min(until, self._listed[min(place + PAGE, len(self._listed)) - 1])
        elif self._is_sparse:
            for low in range(after, until, IDS_PER_LOOK):
                yield low, min(until, low + IDS_PER_LOOK)
        elif self._selection.kind != "ids" and after < until:
            yield after, until

    def _query(self, session: Session, above: int, until: int) -> Select[int]:
        is_scored = exists().where(
            Prediction.job_id == self._job_id,
            Prediction.image_id == Image.id,
            Prediction.rotation == Image.rotation,
        )
        if self._selection.kind == "ids":
            listed = self._listed[bisect_right(self._listed, above) : bisect_right(self._listed, until)]
            query = select(Image.id).where(
                Image.project_id == self._project_id, Image.state.not_in(_NEVER), Image.id.in_(id_rows(session, listed))
            )
        else:
            query = selected_images(self._selection, self._project_id).where(Image.id > above, Image.id <= until)
        if self._without:
            known = self._without[bisect_left(self._without, above) : bisect_right(self._without, until)]
            query = query.where(Image.id.not_in(id_rows(session, known)))
        return query.where(~is_scored)


def highest_id(project_id: int) -> int:
    """The newest image's id; 0 in an empty library."""
    with read() as session:
        return session.scalar(select(func.max(Image.id)).where(Image.project_id == project_id)) or 0
