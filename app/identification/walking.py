"""How a page of results is found without reading the job: the work is bounded, whatever the filter.

As the library's (`app/library/matching.py`): results are walked in growing steps along an index that has them in the
order shown, from where the page begins, until it is full or a budget is spent; what lies beyond is the next page's.
Where another index says that few images can match, these are looked at instead, each, and the answer is whole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, literal_column, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.database import id_rows
from app.identification.facts import facts_of
from app.identification.matching import conditions, scored
from app.identification.nearness import nearest_of
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope
from app.library.filters import ImageFilter
from app.library.matching import NARROW, narrow_ids
from app.predictions.models import Candidate, Prediction

Place = tuple[float, int]
STEPS: Final = (400, 2_000, 5_000)
_FIRST_STEPS: Final = 2
_MERGED: Final = 12
_MEMORY: Final = "identification.walking"


@dataclass(frozen=True, slots=True)
class Order:
    """What results are sorted by; images of equal places by their ids, in the same direction."""

    column: InstrumentedAttribute[float]
    falls: bool

    def turned(self) -> Order:
        """The other way."""
        return Order(self.column, not self.falls)


_ORDERS: Final = {
    "confident": Order(Prediction.confidence_1, falls=True),
    "doubtful": Order(Prediction.confidence_1, falls=False),
    "margin": Order(Prediction.margin, falls=False),
    "entropy": Order(Prediction.entropy, falls=True),
    "different": Order(Prediction.confidence_1, falls=True),  # Only a page's list is: `diversity.py`.
    "unlike": Order(Prediction.confidence_1, falls=False),  # As above.
}


def order_of(wanted: ResultFilter) -> Order:
    """The order of a filter's results. Those sought by likeness have one of their own: see `whole`."""
    return (
        Order(Candidate.score, falls=wanted.sort in ("confident", "different", "unlike"))
        if wanted.view == "candidates"
        else _ORDERS[wanted.sort]
    )


@dataclass(frozen=True, slots=True)
class Walk:
    """Places in the order walked, and the last one looked at: None where everything has been, so there is no more."""

    places: list[Place]
    reached: Place | None


@dataclass(slots=True)
class _Known:
    """What a session that sees one state of the job has found out about a filter."""

    has_probed: bool = False
    whole: list[Place] | None = None
    begun: Walk | None = None
    steps: int = 0
    """How many steps the walk from the start has taken."""


def _known(session: Session, scope: JobScope, wanted: ResultFilter) -> _Known:
    if not session.info.get("is_read"):
        return _Known()
    memory: dict[tuple[int, ResultFilter], _Known] = session.info.setdefault(_MEMORY, {})
    return memory.setdefault((scope.job_id, wanted), _Known())


def look(
    session: Session,
    scope: JobScope,
    wanted: ResultFilter,
    *,
    limit: int,
    start: Place | None = None,
    upwards: bool = False,
) -> Walk:
    """Up to `limit` matching places beyond `start` (None: from the first one on), in the order shown or against it."""
    if start is None and not upwards:
        return _from_first(session, scope, wanted, limit=limit)
    if _is_small(wanted):
        return _part(whole(session, scope, wanted) or [], wanted, start, limit, upwards=upwards)
    walked = Walk([], start)
    for taken, step in enumerate(STEPS):
        if taken == _FIRST_STEPS and (every := whole(session, scope, wanted)) is not None:
            return _part(every, wanted, start, limit, upwards=upwards)
        walked = _step(session, scope, wanted, walked, step, upwards=upwards)
        if len(walked.places) >= limit or walked.reached is None:
            break
    return _cut(walked, limit)


def _from_first(session: Session, scope: JobScope, wanted: ResultFilter, *, limit: int) -> Walk:
    """The walk that the page and its count share: it goes on from where it was left."""
    known = _known(session, scope, wanted)
    if _is_small(wanted):
        return _cut(Walk(whole(session, scope, wanted) or [], None), limit)
    walked = known.begun or Walk([], None)
    while len(walked.places) < limit and (known.steps == 0 or walked.reached) and known.steps < len(STEPS):
        if known.steps == _FIRST_STEPS and (every := whole(session, scope, wanted)) is not None:
            walked, known.steps = Walk(every, None), len(STEPS)
            break
        walked = _step(session, scope, wanted, walked, STEPS[known.steps], upwards=False)
        known.steps += 1
    known.begun = walked
    return _cut(walked, limit)


def _cut(walked: Walk, limit: int) -> Walk:
    """The first of what was walked; what is cut off has not been reached."""
    if len(walked.places) <= limit:
        return walked
    return Walk(walked.places[:limit], walked.places[limit - 1])


def _part(every: list[Place], wanted: ResultFilter, start: Place | None, limit: int, *, upwards: bool) -> Walk:
    """What lies beyond `start` in a whole list that is sorted as shown."""
    falls = falling(wanted)
    keys = [(-place, -image_id) if falls else (place, image_id) for place, image_id in every]
    if start is None:
        beyond = every[::-1] if upwards else every
    else:
        at = (-start[0], -start[1]) if falls else start
        beyond = every[: bisect_left(keys, at)][::-1] if upwards else every[bisect_right(keys, at) :]
    return _cut(Walk(beyond, None), limit)


def place_of(session: Session, scope: JobScope, wanted: ResultFilter, image_id: int) -> Place | None:
    """Where an image of the job stands in the order, whether or not it matches; None where it was not scored."""
    if _is_small(wanted):
        return next((place for place in whole(session, scope, wanted) or [] if place[1] == image_id), None)
    query = select(order_of(wanted).column).where(Prediction.job_id == scope.job_id, Prediction.image_id == image_id)
    found = session.scalar(query)
    return None if found is None else (found, image_id)


def falling(wanted: ResultFilter) -> bool:
    """Whether places fall from the first result to the last."""
    return True if wanted.like else order_of(wanted).falls


def _is_small(wanted: ResultFilter) -> bool:
    """Whether what matches is few by its nature: candidates, and the nearest of some images."""
    return wanted.view == "candidates" or wanted.like is not None


def whole(session: Session, scope: JobScope, wanted: ResultFilter) -> list[Place] | None:
    """Every place that matches, in order, where an index shows that at most NARROW images need to be looked at."""
    known = _known(session, scope, wanted)
    if not known.has_probed:
        known.whole, known.has_probed = _probe(session, scope, wanted), True
    return known.whole


def _probe(session: Session, scope: JobScope, wanted: ResultFilter) -> list[Place] | None:
    if wanted.like:
        return _by_likeness(session, scope, wanted)
    if wanted.view == "candidates":
        return _sorted(_ask(session, scope, wanted, None), wanted)
    ids = narrow_ids(session, scope.project_id, _images(wanted))
    if ids is None:
        ids = _of_class(session, scope, wanted)
    return None if ids is None else _sorted(_ask(session, scope, wanted, ids), wanted)


def _images(wanted: ResultFilter) -> ImageFilter:
    """What the filter says of the images themselves, in the library's words."""
    if wanted.library.values("state"):
        return wanted.library
    state = "unknown" if wanted.view == "unknowns" else wanted.shown_state
    query = wanted.library.to_query() | {"state": "pool,unknown" if state == "open" else state}
    return ImageFilter.from_query(query)


def _of_class(session: Session, scope: JobScope, wanted: ResultFilter) -> list[int] | None:
    """The images predicted as one class, where they are few and the order shown is not that of their index."""
    if wanted.class_id is None or wanted.top > 1:
        return None
    of_class = (Prediction.job_id == scope.job_id, Prediction.class_1 == wanted.class_id)
    ids = session.scalars(select(Prediction.image_id).where(*of_class).limit(NARROW + 1)).all()
    return list(ids) if len(ids) <= NARROW else None


def _by_likeness(session: Session, scope: JobScope, wanted: ResultFilter) -> list[Place]:
    near = nearest_of(session, scope.project_id, wanted.like_ids)
    matching = {image_id for _, image_id in _ask(session, scope, wanted, [image_id for image_id, _ in near])}
    places = [(cosine, image_id) for image_id, cosine in near if image_id in matching]
    return sorted(places, reverse=True)


def _sorted(places: list[Place], wanted: ResultFilter) -> list[Place]:
    return sorted(places, reverse=falling(wanted))


def _ask(session: Session, scope: JobScope, wanted: ResultFilter, ids: list[int] | None) -> list[Place]:
    """Which of the images match, with their places, in no order; None: all that are the view's."""
    query = scored(select(order_of(wanted).column, Prediction.image_id), wanted)
    query = query.where(*conditions(session, scope, wanted))
    if ids is not None:
        query = query.where(Prediction.image_id.in_(id_rows(session, ids)))
    return [(place, image_id) for place, image_id in session.execute(query)]


def _step(session: Session, scope: JobScope, wanted: ResultFilter, walked: Walk, step: int, *, upwards: bool) -> Walk:
    """The walk after another `step` results were looked at."""
    order = order_of(wanted).turned() if upwards else order_of(wanted)
    if _classes(session, scope, wanted) == []:
        return Walk(walked.places, None)
    # As values: by a subquery, PostgreSQL would rather read every image of a condition.
    seen = [tuple(row) for row in session.execute(_window(session, scope, wanted, order, walked.reached, step))]
    matching = {image_id for _, image_id in _ask(session, scope, wanted, [image_id for _, image_id in seen])}
    found = walked.places + [place for place in seen if place[1] in matching]
    return Walk(found, seen[-1] if len(seen) == step else None)


def _window(
    session: Session, scope: JobScope, wanted: ResultFilter, order: Order, start: Place | None, step: int
) -> Select[*tuple[Any, ...]]:
    """The next `step` (place, image id) in an index's order, by what bounds the index itself can tell."""
    classes = _classes(session, scope, wanted)
    if classes is None or len(classes) > _MERGED:
        return _run(scope, wanted, order, start, step)
    runs = [_run(scope, wanted, order, start, step, Prediction.class_1 == each) for each in classes]
    if len(runs) == 1:
        return runs[0]
    merged = union_all(*(select(run.subquery()) for run in runs)).subquery()
    place, image_id = merged.c
    sorts = (place.desc(), image_id.desc()) if order.falls else (place, image_id)
    return select(place, image_id).order_by(*sorts).limit(step)


def _run(
    scope: JobScope,
    wanted: ResultFilter,
    order: Order,
    start: Place | None,
    step: int,
    *more: ColumnElement[bool],
) -> Select[*tuple[Any, ...]]:
    keys = (order.column, Prediction.image_id)
    # In the statement's own words: a large job has indexes of its own, which hold for that number alone.
    of_job = Prediction.job_id == literal_column(str(int(scope.job_id)))
    query = select(*keys).where(of_job, *more, *_bounds(scope, wanted, order))
    if start is not None:
        at = tuple_(*start)
        query = query.where(tuple_(*keys) < at if order.falls else tuple_(*keys) > at)
    return query.order_by(*(key.desc() if order.falls else key for key in keys)).limit(step)


def _bounds(scope: JobScope, wanted: ResultFilter, order: Order) -> list[ColumnElement[bool]]:
    """The ends of the stretch of the index that can match."""
    low, high = {
        "confidence_1": (wanted.low, wanted.high),
        "margin": (wanted.margin_low, wanted.margin_high),
        "entropy": (wanted.entropy_low, wanted.entropy_high),
    }[order.column.key]
    if wanted.view == "look_alikes" and order.column.key == "confidence_1":
        low, high = max(low, scope.looks_from), min(high, scope.upper_threshold)
    return [*([order.column >= low] if low > 0 else []), *([order.column <= high] if high < 1 else [])]


def _classes(session: Session, scope: JobScope, wanted: ResultFilter) -> list[int] | None:
    """The classes in first place that can match, where the index of classes has them in the order shown."""
    if order_of(wanted).column.key != "confidence_1":
        return None
    facts = facts_of(session, scope)
    of_view = {"low_counts": facts.low_classes, "replace": facts.leaning}.get(wanted.view)
    chosen = None if wanted.class_id is None or wanted.top > 1 else [wanted.class_id]
    if of_view is None or isinstance(of_view, Select):
        return chosen
    return list(of_view) if chosen is None else [each for each in chosen if each in of_view]


@dataclass(frozen=True, slots=True)
class Total:
    """How many results match; where that is not exact, at least so many."""

    images: int
    is_exact: bool

    @property
    def words(self) -> str:
        """The number for people: "412" or "10,000+"."""
        return f"{self.images:,}" if self.is_exact else f"{self.images:,}+"


def count_walked(session: Session, scope: JobScope, wanted: ResultFilter) -> Total:
    """As many matches as the budget of one page finds: exact where it sufficed."""
    walked = look(session, scope, wanted, limit=sum(STEPS))
    return Total(len(walked.places), walked.reached is None)


def count_exactly(session: Session, scope: JobScope, wanted: ResultFilter) -> int:
    """How many results match, however long that takes: for what follows a page, never for the page."""
    matching = scored(select(Prediction.image_id), wanted).where(*conditions(session, scope, wanted)).distinct()
    return session.scalar(select(func.count()).select_from(matching.subquery())) or 0
