"""Judged images page by page: what was true, what was predicted, and what another version said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from sqlalchemy import ColumnElement, and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from app.core.errors import InvalidInput
from app.datasets.models import BenchmarkImage
from app.evaluation.models import Evaluation, JudgedImage
from app.evaluation.schemas import JudgedFilter
from app.library.models import Image

PAGE = 96
_Other = aliased(JudgedImage, name="other")
_is_wrong = case((JudgedImage.is_right, 0), else_=1)
_ORDER = (_is_wrong, JudgedImage.confidence, JudgedImage.image_id)
_OUTCOMES = {
    "fixed": (True, False),
    "broken": (False, True),
    "still_wrong": (False, False),
    "still_right": (True, True),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One image with what was true and predicted. `class_id` and `state` are what the image is now.

    `settled_id` is the truth of a benchmark image as it was settled, whether the version knows the class or not. The
    last two fields are what the other version of a comparison said; None where it did not judge the image.
    """

    image_id: int
    file_name: str
    state: str
    class_id: int | None
    rotation: int
    label_version: int
    true_id: int
    predicted_id: int
    confidence: float
    is_right: bool
    settled_id: int | None
    other_predicted_id: int | None
    other_confidence: float | None

    def truth(self, names: Mapping[int, str], current: Mapping[int, str]) -> str:
        """The true class in words; `names` are the version's classes, `current` those of the project."""
        return names[self.true_id] if self.true_id else current.get(self.settled_id or 0, "none of the classes")

    def badges(
        self, names: Mapping[int, str], current: Mapping[int, str], against: int | None, others: Mapping[int, str]
    ) -> list[tuple[str, str]]:
        """What a grid says beside the truth, as (word, tone): the prediction, the other version's, what it is now."""
        said = []
        if self.true_id != self.predicted_id:
            said.append((f"→ {names[self.predicted_id]}", "" if self.is_right else "bad"))
        if not self.true_id:
            said.append(("not in model", ""))
        if self.other_predicted_id is not None:
            said.append((f"v{against}: {others[self.other_predicted_id]} {self.other_confidence:.0%}", ""))
        settled = self.settled_id or self.true_id
        if settled and self.class_id is not None and self.class_id != settled:
            said.append((f"now {current[self.class_id]}", "warn"))
        elif self.class_id is None and settled:
            said.append((f"now {self.state}", "warn"))
        return said


@dataclass(frozen=True, slots=True)
class JudgedPage:
    """A page of judged images: wrong ones first, the surest first. `after` leads on, None on the last page."""

    images: list[Judged]
    total: int
    after: str | None


def judged_page(
    session: Session,
    evaluation: Evaluation,
    wanted: JudgedFilter,
    *,
    other: Evaluation | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> JudgedPage:
    """A page of the evaluation's images; `other` is what `outcome` holds it against. Raises InvalidInput."""
    if wanted.outcome is not None and other is None:
        raise InvalidInput("an outcome is against another version: name it with `against`")
    other_id = other.id if other is not None else -1
    conditions = _conditions(evaluation, wanted)
    query = (
        select(
            Image.id,
            Image.file_name,
            Image.state,
            Image.class_id,
            Image.rotation,
            Image.label_version,
            JudgedImage.true_class_id,
            JudgedImage.predicted_class_id,
            JudgedImage.confidence,
            JudgedImage.is_right,
            BenchmarkImage.class_id,
            _Other.predicted_class_id,
            _Other.confidence,
        )
        .join(Image, Image.id == JudgedImage.image_id)
        .outerjoin(_Other, _same_image(other_id))
        .outerjoin(
            BenchmarkImage,
            and_(
                BenchmarkImage.image_id == JudgedImage.image_id,
                BenchmarkImage.set_id == (evaluation.benchmark_set_id or 0),
            ),
        )
        .where(*conditions)
    )
    if after is not None:
        query = query.where(tuple_(*_ORDER) < tuple_(*_read_cursor(after)))
    rows = session.execute(query.order_by(*(column.desc() for column in _ORDER)).limit(limit + 1)).all()
    images = [Judged(*tuple(row)) for row in rows[:limit]]
    last = images[-1] if len(rows) > limit else None
    cursor = f"{int(not last.is_right)}:{last.confidence!r}:{last.image_id}" if last else None
    counted = select(func.count()).select_from(JudgedImage).outerjoin(_Other, _same_image(other_id)).where(*conditions)
    return JudgedPage(images, session.scalar(counted) or 0, cursor)


def _same_image(other_id: int) -> ColumnElement[bool]:
    return and_(_Other.image_id == JudgedImage.image_id, _Other.evaluation_id == other_id)


def _conditions(evaluation: Evaluation, wanted: JudgedFilter) -> list[ColumnElement[bool]]:
    conditions = [JudgedImage.evaluation_id == evaluation.id]
    if wanted.show != "all":
        conditions.append(JudgedImage.is_right.is_(wanted.show == "right"))
    if wanted.true is not None:
        conditions.append(JudgedImage.true_class_id == wanted.true)
    if wanted.predicted is not None:
        conditions.append(JudgedImage.predicted_class_id == wanted.predicted)
    if wanted.class_id is not None:
        mine = wanted.class_id
        conditions.append(or_(JudgedImage.true_class_id == mine, JudgedImage.predicted_class_id == mine))
    if wanted.outcome is not None:
        is_right, was_right = _OUTCOMES[wanted.outcome]
        conditions += [JudgedImage.is_right.is_(is_right), _Other.is_right.is_(was_right)]
    return conditions


def _read_cursor(text: str) -> tuple[int, float, int]:
    parts = text.split(":")
    try:
        is_wrong, confidence, image_id = int(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError) as error:
        raise InvalidInput("a page's cursor is wrong:confidence:image") from error
    if len(parts) != 3 or is_wrong not in (0, 1) or not isfinite(confidence) or not 0 <= image_id <= 2**62:  # noqa: PLR2004 - three parts
        raise InvalidInput("a page's cursor is wrong:confidence:image")
    return is_wrong, confidence, image_id
