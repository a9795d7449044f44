"""Which of a job's results a filter means: its conditions over Prediction and Image, and the ids that meet them.

Pages walk results in the order that they are shown (`walking.py`); acts on all that match walk by id, here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from app.identification.schemas import ResultFilter
from app.identification.scope import JobScope
from app.identification.views import OPEN_STATES, view_conditions
from app.library.models import Image, ImageState
from app.predictions.models import Candidate, Prediction


def conditions(session: Session, scope: JobScope, wanted: ResultFilter) -> list[ColumnElement[bool]]:
    """What a filter asks of a result, over Prediction and Image; over Candidate too in the view of candidates."""
    found = [
        Prediction.job_id == scope.job_id,
        Image.project_id == scope.project_id,
        *view_conditions(session, scope, wanted.view),
    ]
    is_candidates = wanted.view == "candidates"
    predicted_class = Candidate.class_id if is_candidates else Prediction.class_1
    confidence = Candidate.confidence if is_candidates else Prediction.confidence_1
    if wanted.class_id is not None:
        found.append(predicted_class == wanted.class_id)
    if wanted.low > 0:
        found.append(confidence >= wanted.low)
    if wanted.high < 1:
        found.append(confidence <= wanted.high)
    if wanted.margin_low > 0:
        found.append(Prediction.margin >= wanted.margin_low)
    if wanted.margin_high < 1:
        found.append(Prediction.margin <= wanted.margin_high)
    if wanted.state == "open":
        found.append(Image.state.in_(OPEN_STATES))
    elif wanted.state == "any":
        found.append(Image.state.not_in((ImageState.REMOVED, ImageState.QUARANTINED)))
    else:
        found.append(Image.state == wanted.state)
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
