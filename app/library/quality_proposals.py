"""Which images may not be good, by what was measured at import, against the project's own distribution: worst first.

Winnow proposes; a person decides, and is not asked about an image again. Every threshold is a place in the order that
an index keeps, so that finding it costs no more in a large library than its share says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.library.curation_models import ActiveShare
from app.library.models import Image, ImageCount, ImageMeasure, ImageState

PAGE: Final = 60
SHARES: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
COUNT_CAP: Final = 1000


class Doubt(StrEnum):
    """Why an image may not be good."""

    BLURRED = "blurred"
    DARK = "dark"
    LOW_CONTRAST = "low_contrast"
    TINY = "tiny"
    WIDE = "wide"
    NARROW = "narrow"
    SMALL_SUBJECT = "small_subject"


@dataclass(frozen=True, slots=True)
class _Measure:
    """The column that tells, from which end, and the reason that a confirmed proposal gets unless said otherwise."""

    column: InstrumentedAttribute[Any]
    highest: bool
    verdict: str


MEASURES: Final = {
    Doubt.BLURRED: _Measure(ImageMeasure.sharpness, highest=False, verdict="blurred"),
    Doubt.DARK: _Measure(ImageMeasure.brightness, highest=False, verdict="dark"),
    Doubt.LOW_CONTRAST: _Measure(ImageMeasure.contrast, highest=False, verdict="obscured"),
    Doubt.TINY: _Measure(ImageMeasure.short_side, highest=False, verdict="irrelevant"),
    Doubt.WIDE: _Measure(ImageMeasure.aspect, highest=True, verdict="irrelevant"),
    Doubt.NARROW: _Measure(ImageMeasure.aspect, highest=False, verdict="irrelevant"),
}


@dataclass(frozen=True, slots=True)
class Proposals:
    """Images beyond the threshold that nobody has judged, the worst first, with what was measured of each.

    `threshold` is None in an empty library, `waiting` counts up to COUNT_CAP, `further` is where the next page begins.
    """

    threshold: float | None
    images: Sequence[tuple[Image, float]]
    waiting: int
    further: tuple[float, int] | None


def proposals(
    session: Session, project_id: int, doubt: Doubt, *, share: float, after: tuple[float, int] | None = None
) -> Proposals:
    """A page of what lies in the worst `share` percent of the project by this measure, below the place `after`."""
    if doubt is Doubt.SMALL_SUBJECT:
        return _small_subjects(session, project_id, share, after)
    measure = MEASURES[doubt]
    threshold = _threshold(session, project_id, measure, share)
    if threshold is None:
        return Proposals(None, [], 0, None)
    column = measure.column
    conditions = [
        ImageMeasure.project_id == project_id,
        column >= threshold if measure.highest else column <= threshold,
        Image.quality.is_(None),
        Image.state.not_in((ImageState.REMOVED.value, ImageState.QUARANTINED.value)),
    ]
    some = (
        select(Image.id)
        .join(ImageMeasure, ImageMeasure.image_id == Image.id)
        .where(*conditions)
        .limit(COUNT_CAP + 1)
        .subquery()
    )
    waiting = session.scalar(select(func.count()).select_from(some)) or 0
    if after is not None:
        conditions.append(_beyond(measure, *after))
    order = (column.desc(), ImageMeasure.image_id) if measure.highest else (column, ImageMeasure.image_id)
    query = select(Image, column).join(ImageMeasure, ImageMeasure.image_id == Image.id).where(*conditions)
    found = session.execute(query.order_by(*order).limit(PAGE + 1)).all()
    images = [(image, float(value)) for image, value in found[:PAGE]]
    further = (images[-1][1], images[-1][0].id) if len(found) > PAGE else None
    return Proposals(threshold, images, waiting, further)


def _small_subjects(session: Session, project_id: int, share: float, after: tuple[float, int] | None) -> Proposals:
    """Where the reference trunk is active in little of the image, and nobody has said whether its subject is small."""
    column = ActiveShare.share
    own = ActiveShare.project_id == project_id
    ordered = select(column).where(own).order_by(column).offset(_place(session, project_id, share)).limit(1)
    threshold = session.scalar(ordered)
    if threshold is None:
        return Proposals(None, [], 0, None)
    visible = Image.state.not_in((ImageState.REMOVED.value, ImageState.QUARANTINED.value))
    conditions = [own, ~ActiveShare.is_settled, column <= threshold, visible, Image.is_small_subject.is_(False)]
    query = select(Image, column).join(ActiveShare, ActiveShare.image_id == Image.id).where(*conditions)
    some = query.with_only_columns(Image.id).limit(COUNT_CAP + 1).subquery()
    waiting = session.scalar(select(func.count()).select_from(some)) or 0
    if after is not None:
        query = query.where(or_(column > after[0], and_(column == after[0], ActiveShare.image_id > after[1])))
    found = session.execute(query.order_by(column, ActiveShare.image_id).limit(PAGE + 1)).all()
    images = [(image, float(value)) for image, value in found[:PAGE]]
    return Proposals(threshold, images, waiting, (images[-1][1], images[-1][0].id) if len(found) > PAGE else None)


def _threshold(session: Session, project_id: int, measure: _Measure, share: float) -> float | None:
    """The measured value at the end of the worst `share` percent of all images that have one."""
    column = measure.column
    ordered = select(column).where(ImageMeasure.project_id == project_id, column.is_not(None))
    ordered = ordered.order_by(column.desc() if measure.highest else column)
    found: float | None = session.scalar(ordered.offset(_place(session, project_id, share)).limit(1))
    return found


def _place(session: Session, project_id: int, share: float) -> int:
    """How many images make `share` percent of the project's."""
    kept = select(func.coalesce(func.sum(ImageCount.images), 0)).where(
        ImageCount.project_id == project_id, ImageCount.state != ImageState.QUARANTINED.value
    )
    images = int(session.scalar(kept) or 0)  # a sum is a decimal on PostgreSQL
    return int(images * share / 100)


def _beyond(measure: _Measure, value: float, image_id: int) -> ColumnElement[bool]:
    column = measure.column
    return or_(
        column < value if measure.highest else column > value, and_(column == value, ImageMeasure.image_id > image_id)
    )
