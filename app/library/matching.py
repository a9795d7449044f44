"""How the images that match a filter are found without ever reading the library: the work of one page is bounded.

Two ways. *Narrow*: an index says that few images meet one of the conditions; these are looked at, each, and the answer
is whole. *Wide*: the ids of an index that has them in order are walked in growing steps, from where the page begins,
until the page is full or a budget is spent; what lies beyond is the next page's. Images are always looked up by their
id, so that no database ever chooses to read and sort everything.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.database import id_rows, is_sqlite
from app.library.filters import ImageFilter
from app.library.grammar import in_project
from app.library.models import Image

NARROW: Final = 10_000
_FIRST_STEPS: Final = (400, 2_000)
_LATER_STEPS: Final = (5_000,)
_LAST_ID: Final = 2**62
_MEMORY: Final = "library.matching"


@dataclass(frozen=True, slots=True)
class Walk:
    """Ids in the order walked, and the last id looked at: None where everything has been, so that there is no more."""

    ids: list[int]
    reached: int | None


@dataclass(slots=True)
class _Known:
    """What a read session, which sees one state of the library, has found out about a filter."""

    has_probed: bool = False
    narrow: list[int] | None = None
    newest: Walk | None = None
    """The walk from the newest image on, as far as it went."""
    steps: int = 0


def _known(session: Session, project_id: int, chosen: ImageFilter) -> _Known:
    if not session.info.get("is_read"):
        return _Known()
    memory: dict[tuple[int, str], _Known] = session.info.setdefault(_MEMORY, {})
    return memory.setdefault((project_id, chosen.query_string()), _Known())


def narrow_ids(session: Session, project_id: int, chosen: ImageFilter) -> list[int] | None:
    """Every image that matches, by rising id, where an index shows that at most NARROW need to be looked at."""
    known = _known(session, project_id, chosen)
    if not known.has_probed:
        known.narrow, known.has_probed = _probe(session, project_id, chosen), True
    return known.narrow


def _probe(session: Session, project_id: int, chosen: ImageFilter) -> list[int] | None:
    fewest: Select[Any] | None = None
    least = NARROW + 1
    for field, values in chosen.chosen():
        ids = field.ids(project_id, values) if field.ids else None
        if ids is None:
            continue
        images = session.scalar(select(func.count()).select_from(ids.limit(least).subquery())) or 0
        if images < least:
            fewest, least = ids, images
        if least == 0:
            return []
    if fewest is None:
        return None
    return sorted(_matching(session, project_id, chosen, fewest))


def look(
    session: Session,
    project_id: int,
    chosen: ImageFilter,
    *,
    wanted: int,
    below: int | None = None,
    above: int | None = None,
    has_budget: bool = True,
) -> Walk:
    """Matching images by falling id below `below`, or by rising id above `above`: `wanted` of them at most."""
    if below is None and above is None:
        return _from_newest(session, project_id, chosen, wanted=wanted)
    rises = above is not None
    at = above if above is not None else below or 0
    first = _walk(session, project_id, chosen, _FIRST_STEPS, wanted=wanted, at=at, rises=rises)
    if len(first.ids) >= wanted or first.reached is None:
        return first
    every = narrow_ids(session, project_id, chosen)
    if every is not None:
        beyond = every[bisect_right(every, at) :] if rises else every[: bisect_left(every, at)][::-1]
        return Walk(beyond[:wanted], None)
    steps = _LATER_STEPS if has_budget else chain(_LATER_STEPS, repeat(_LATER_STEPS[-1]))
    left = wanted - len(first.ids)
    further = _walk(session, project_id, chosen, steps, wanted=left, at=first.reached, rises=rises)
    return Walk(first.ids + further.ids, further.reached)


def _from_newest(session: Session, project_id: int, chosen: ImageFilter, *, wanted: int) -> Walk:
    """The walk that pages and counts share: it goes on from where it was left."""
    known = _known(session, project_id, chosen)
    walked = known.newest or Walk([], _LAST_ID)
    steps = (*_FIRST_STEPS, *_LATER_STEPS)
    while len(walked.ids) < wanted and (at := walked.reached) is not None and known.steps < len(steps):
        if known.steps == len(_FIRST_STEPS):
            every = narrow_ids(session, project_id, chosen)
            if every is not None:
                walked = Walk(every[::-1], None)
                break
        step = (steps[known.steps],)
        more = _walk(session, project_id, chosen, step, wanted=step[0], at=at, rises=False)
        walked = Walk(walked.ids + more.ids, more.reached)
        known.steps += 1
    known.newest = walked
    return Walk(walked.ids[:wanted], walked.reached)


def _walk(
    session: Session, project_id: int, chosen: ImageFilter, steps: Iterable[int], *, wanted: int, at: int, rises: bool
) -> Walk:
    source = _in_order(project_id, chosen)
    key = next(iter(source.selected_columns))
    found: list[int] = []
    for step in steps:
        more, order = (key > at, key) if rises else (key < at, key.desc())
        window = source.where(more).order_by(order).limit(step)
        seen = window.subquery()
        last = func.max(seen.c[0]) if rises else func.min(seen.c[0])
        size, reached = session.execute(select(func.count(), last).select_from(seen)).one()
        found += sorted(_matching(session, project_id, chosen, window), reverse=not rises)
        if size < step or reached is None:
            return Walk(found[:wanted], None)
        at = int(reached)
        if len(found) >= wanted:
            break
    return Walk(found[:wanted], at)


def _in_order(project_id: int, chosen: ImageFilter) -> Select[Any]:
    """Ids that hold all that match, from an index that has them in order: of the most telling single value."""
    for field, values in sorted(chosen.chosen(), key=lambda each: each[0].name == "state"):
        if field.in_order and field.ids and len(values) == 1:
            ids = field.ids(project_id, values)
            if ids is not None:
                return ids
    return in_project(project_id)


def _matching(session: Session, project_id: int, chosen: ImageFilter, candidates: Select[Any]) -> list[int]:
    # As values, PostgreSQL looks the images up by them; as a subquery it would rather read every image of a condition.
    some = candidates.subquery()
    ids = select(some.c[0]) if is_sqlite(session) else id_rows(session, list(session.scalars(candidates)))
    # The sum keeps SQLite from walking the project's index instead of the ids.
    query = select(Image.id).where(Image.id.in_(ids), Image.project_id + 0 == project_id)
    return list(session.scalars(chosen.apply(query)))
