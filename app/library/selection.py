"""A selection of images: ids, or "all that match a filter except these".

Every act on many images takes one: labelling, benchmark sets, second opinions, exports. Grids make it
(`gridOf(root).selection` of static/js/core/grid.js) and send it as JSON; `resolve` turns it into ids, once.
"""

from __future__ import annotations

from typing import Annotated, Final, Self
from urllib.parse import parse_qsl

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.library.filters import ImageFilter
from app.library.grammar import field_named
from app.library.matching import narrow_ids
from app.library.models import Image

MAX_SELECTED: Final = 10_000
_NOT_FILTERS: Final = frozenset({"size", "before", "after"})

Id = Annotated[int, Field(ge=1, le=2**62)]


class Selection(BaseModel):
    """Some images of a project: `image_ids`, or all that match `filter` except `except_ids`.

    `filter` is the query of a library address ("" matches what the library shows without one). `seen_at` is when the
    page was made on which somebody chose: what arrived since does not belong to it. `most` takes the newest so many.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_ids: list[Id] | None = Field(None, min_length=1, max_length=MAX_SELECTED)
    filter: str | None = Field(None, max_length=4000)
    except_ids: list[Id] = Field(default=[], max_length=MAX_SELECTED)
    seen_at: AwareDatetime | None = None
    most: int | None = Field(None, ge=1, le=MAX_SELECTED)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.image_ids is None) == (self.filter is None):
            raise ValueError("a selection is either image_ids or a filter")
        if (self.except_ids or self.most) and self.filter is None:
            raise ValueError("except_ids and most need a filter")
        return self


def filter_of(query: str) -> ImageFilter:
    """The filter that a selection's query says. Raises InvalidInput for a name that is none: it would match more."""
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    unknown = {name for name, _ in pairs if field_named(name) is None} - _NOT_FILTERS
    if unknown:
        raise InvalidInput(tr("these are no filters: %(names)s", names=", ".join(sorted(unknown))))
    return ImageFilter.from_query(pairs)


def resolve(session: Session, project_id: int, selection: Selection, cap: int = MAX_SELECTED) -> list[int]:
    """The ids of the project's images that a selection means now, newest first; may be empty.

    Raises InvalidInput where there are more than `cap`, or the filter is none.
    """
    if selection.image_ids is not None:
        query = select(Image.id).where(Image.id.in_(id_rows(session, selection.image_ids)))
        found = list(session.scalars(query.where(Image.project_id + 0 == project_id).order_by(Image.id.desc())))
    else:
        found = _matching(session, project_id, selection, cap)
    if len(found) > cap:
        raise InvalidInput(
            tr("one act takes at most %(cap)s images, and more match; narrow the filter", cap=f"{cap:,}"),
            code="too_many_images",
        )
    return found


def _matching(session: Session, project_id: int, selection: Selection, cap: int) -> list[int]:
    """What matches a selection's filter, up to one more than `cap`."""
    chosen, left_out = filter_of(selection.filter or ""), set(selection.except_ids)
    most = min(cap, selection.most) if selection.most else cap + 1
    every = narrow_ids(session, project_id, chosen)
    if every is None:  # Then the library is read through, which a page would never do, and which holds no lock.
        query = chosen.apply(select(Image.id).where(Image.project_id == project_id)).order_by(Image.id.desc())
        found = list(session.scalars(query.limit(most + len(left_out))))
    else:
        found = every[::-1]
    ids = [image_id for image_id in found if image_id not in left_out][:most]
    if selection.seen_at is None or len(ids) > cap:
        return ids
    seen = select(Image.id).where(Image.id.in_(id_rows(session, ids)), Image.created_at <= selection.seen_at)
    return list(session.scalars(seen.order_by(Image.id.desc())))
