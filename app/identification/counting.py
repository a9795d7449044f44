"""How many results match, and of which classes: from the kept counts where these can tell, else by a bounded walk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.identification.facts import OPEN_STATES, facts_of
from app.identification.matching import class_conditions
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope
from app.identification.walking import STEPS, Total, count_walked, look
from app.library.models import ImageState, Origin
from app.predictions.counts import class_counts as kept_counts
from app.predictions.models import Prediction
from app.registry.models import VersionClass

_OF_CLASSES = frozenset({"view", "class_id", "state", "sort", "group", "labelled_low", "labelled_high", "mix"})
_KEPT_VIEWS = frozenset({"all", "low_counts", "replace", "unknowns", "lowest"})
_HIDDEN = (ImageState.REMOVED, ImageState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Results of one predicted class; `images` None where none was among those looked at, though there may be some."""

    class_id: int
    images: int | None
    is_exact: bool = True

    @property
    def words(self) -> str:
        """The number for people: "12", "12+", or a dash."""
        return "–" if self.images is None else f"{self.images:,}{'' if self.is_exact else '+'}"


def is_kept(wanted: ResultFilter) -> bool:
    """Whether the kept counts, by class, state and origin, can tell how many results match."""
    return wanted.view in _KEPT_VIEWS and wanted.pairs().keys() <= _OF_CLASSES


def count_results(session: Session, scope: JobScope, wanted: ResultFilter) -> Total:
    """How many results match; a lower bound where the work of one page does not tell."""
    if not is_kept(wanted):
        return count_walked(session, scope, wanted)
    counts = _kept(session, scope, wanted)
    return Total(sum(images for class_id, images in counts if wanted.class_id in (None, class_id)), is_exact=True)


def class_counts(session: Session, scope: JobScope, wanted: ResultFilter) -> list[ClassCount]:
    """Results by predicted class under the filter, whatever class it names; most images first.

    Where neither kept counts nor one page's work can tell, the figures are lower bounds, and other classes follow.
    """
    whatever = wanted.model_copy(update={"class_id": None, "top": 1})
    if is_kept(whatever):
        return [ClassCount(*pair) for pair in _kept(session, scope, whatever)]
    walked = look(session, scope, whatever, limit=sum(STEPS))
    seen = _by_class(session, scope, [image_id for _, image_id in walked.places])
    is_exact = walked.reached is None
    counts = [ClassCount(class_id, images, is_exact) for class_id, images in seen.most_common()]
    if is_exact:
        return counts
    others = [class_id for class_id, _ in _kept(session, scope, whatever) if class_id not in seen]
    return counts + [ClassCount(class_id, None, is_exact=False) for class_id in others]


def _by_class(session: Session, scope: JobScope, image_ids: list[int]) -> Counter[int]:
    of_images = (Prediction.job_id == scope.job_id, Prediction.image_id.in_(id_rows(session, image_ids)))
    rows = session.execute(
        select(Prediction.class_1, func.count())
        .where(*of_images)
        .group_by(Prediction.class_1)
        .order_by(func.count().desc(), Prediction.class_1)
    )
    return Counter({class_id: images for class_id, images in rows})  # noqa: C416 - rows are no tuples to mypy


def _kept(session: Session, scope: JobScope, wanted: ResultFilter) -> list[tuple[int, int]]:
    """(class id, images) by the kept counts, of the view's classes, states and origins."""
    origins = [Origin.REAL] if wanted.view == "replace" else None
    counts = kept_counts(session, scope.job_id, _states(wanted), origins)
    facts = facts_of(session, scope)
    of_view = {"low_counts": facts.low_classes, "replace": facts.leaning}.get(wanted.view)
    allowed = None if of_view is None or isinstance(of_view, Select) else frozenset(of_view)
    if asked := class_conditions(scope.job_id, wanted, VersionClass.class_id):
        query = select(VersionClass.class_id).where(VersionClass.version_id == scope.version.id, *asked)
        found = frozenset(session.scalars(query))
        allowed = found if allowed is None else allowed & found
    return [pair for pair in counts if allowed is None or pair[0] in allowed]


def _states(wanted: ResultFilter) -> Collection[str]:
    """The states that are shown: those asked for, as far as the view takes them."""
    state = wanted.shown_state
    every = [each for each in ImageState if each not in _HIDDEN]
    shown = list(OPEN_STATES) if state == "open" else every if state == "any" else [ImageState(state)]
    of_view = {"unknowns": ImageState.UNKNOWN, "lowest": ImageState.POOL}.get(wanted.view)
    return [each for each in shown if of_view in (None, each)]
