"""Which of a job's results a filter means: its conditions over Prediction and Image, and the ids that meet them.

Pages walk results in the order that they are shown (`walking.py`); acts on all that match walk by id, here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.core.database import id_rows
from app.identification.facts import OPEN_STATES, Facts, facts_of
from app.identification.nearness import nearest_of
from app.identification.result_filter import KEPT_CLASSES, ResultFilter
from app.identification.scope import JobScope
from app.identification.views import view_named
from app.library.models import Image, ImageCount, ImageState, Origin
from app.predictions.models import Candidate, Prediction, ScoringJob

Conditions = list[ColumnElement[bool]]
# The sums keep a database from any index but the key: results are looked up by image, or walked by image.
_CLASSES = tuple(getattr(Prediction, f"class_{place}") + 0 for place in range(1, KEPT_CLASSES + 1))
_CONFIDENCE, _MARGIN, _ENTROPY = (
    column + 0.0 for column in (Prediction.confidence_1, Prediction.margin, Prediction.entropy)
)
_MOST_STAGED = 0.5


def conditions(session: Session, scope: JobScope, wanted: ResultFilter) -> Conditions:
    """What a filter asks of a result, over Prediction and Image; over Candidate too in the view of candidates."""
    found = [Image.project_id + 0 == scope.project_id]  # The sum: results are never looked for by the project.
    found += prediction_conditions(scope.job_id, wanted, facts_of(session, scope))
    found += state_conditions(wanted)
    if wanted.query:
        found += wanted.library.conditions()
    if wanted.like:
        near = [image_id for image_id, _ in nearest_of(session, scope.project_id, wanted.like_ids)]
        found.append(Image.id.in_(id_rows(session, near)))
    return found


def state_conditions(wanted: ResultFilter) -> Conditions:
    """Which images' results are shown at all."""
    state = wanted.shown_state
    if state == "open":
        return [Image.state.in_(OPEN_STATES)]
    if state == "any":
        return [Image.state.not_in((ImageState.REMOVED, ImageState.QUARANTINED))]
    return [Image.state == state]


def prediction_conditions(job_id: int, wanted: ResultFilter, facts: Facts) -> Conditions:
    """What the filter asks of the prediction, the view included: over Prediction and Image, in SQL alone."""
    is_candidates = wanted.view == "candidates"
    found = [Prediction.job_id == job_id, *view_named(wanted.view).conditions(facts)]
    if wanted.class_id is not None and is_candidates:
        found.append(Candidate.class_id == wanted.class_id)
    elif wanted.class_id is not None:
        found.append(or_(*(column == wanted.class_id for column in _CLASSES[: wanted.top])))
    confidence = Candidate.confidence if is_candidates else _CONFIDENCE
    for column, name in ((confidence, ""), (_MARGIN, "margin_"), (_ENTROPY, "entropy_")):
        low, high = getattr(wanted, f"{name}low"), getattr(wanted, f"{name}high")
        found += [column >= low] if low > 0 else []
        found += [column <= high] if high < 1 else []
    if wanted.differs:
        differs = Prediction.class_1 != Image.class_id
        found += [Image.class_id.is_not(None), differs if wanted.differs == "yes" else ~differs]
    if wanted.versus is not None:
        found.append(_says_otherwise(wanted.versus))
    return found + class_conditions(job_id, wanted, _CLASSES[0])


def _says_otherwise(job_id: int) -> ColumnElement[bool]:
    other = aliased(Prediction)
    return exists().where(
        other.job_id == job_id, other.image_id == Prediction.image_id, other.class_1 != Prediction.class_1
    )


def class_conditions(
    job_id: int, wanted: ResultFilter, class_id: ColumnElement[int] | InstrumentedAttribute[int]
) -> Conditions:
    """What is asked of the labelled images of the class in a column: how many, and of which origin."""
    labelled = (
        select(ImageCount.class_id)
        .join(ScoringJob, ScoringJob.project_id == ImageCount.project_id)
        .where(ScoringJob.id == job_id, ImageCount.state == ImageState.LABELLED, ImageCount.images > 0)
        .group_by(ImageCount.class_id)
    )
    images = func.sum(ImageCount.images)
    staged = func.sum(case((ImageCount.origin != Origin.REAL, ImageCount.images), else_=0))
    found: Conditions = []
    if wanted.labelled_low:
        found.append(class_id.in_(labelled.having(images >= wanted.labelled_low)))
    if wanted.labelled_high is not None:
        found.append(class_id.not_in(labelled.having(images > wanted.labelled_high)))
    if wanted.mix is not None:
        asked = {"real": staged == 0, "part": staged > 0, "most": staged > images * _MOST_STAGED}
        found.append(class_id.in_(labelled.having(asked[wanted.mix])))
    return found


def scored(query: Select[*tuple[Any, ...]], wanted: ResultFilter) -> Select[*tuple[Any, ...]]:
    """The query over what a job scored, with its images; in the view of candidates, over those alone."""
    over = query.select_from(Prediction).join(Image, Image.id == Prediction.image_id)
    if wanted.view != "candidates":
        return over
    is_same = (Candidate.job_id == Prediction.job_id) & (Candidate.image_id == Prediction.image_id)
    return over.join(Candidate, is_same)


def matching_ids(session: Session, scope: JobScope, wanted: ResultFilter, *, after: int = 0, limit: int) -> list[int]:
    """Images that match, by rising id above `after`, `limit` at most: fewer only where no more follow.

    For work on all that match. It may look at many results to find few, so a page never asks.
    """
    query = scored(select(Prediction.image_id), wanted).where(
        *conditions(session, scope, wanted), Prediction.image_id > after
    )
    return list(session.scalars(query.distinct().order_by(Prediction.image_id).limit(limit)))
