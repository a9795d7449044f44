"""Accuracy of served answers, from the grades that people gave: shares with Wilson's intervals, however few there are.

A grade is a fair sample of what was served with its image kept. What "right" means is decided by `serving.is_right`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.shares import Share, wilson
from app.inference.ranking import Decision
from app.labelling.models import LabelClass
from app.registry.models import ModelVersion
from app.reports.schemas import Period
from app.reports.usage import within
from app.serving.models import Grade, Transaction
from app.serving.schemas import Verdict
from app.serving.service import is_right

BINS: Final = 10
Key = TypeVar("Key", bound=Hashable)
_DAILY_UP_TO_DAYS: Final = 14
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class GradedAnswer:
    """One graded transaction, as far as figures need it."""

    day: date
    version_number: int
    decision: str
    verdict: str
    class_id: int
    class_name: str
    confidence: float
    true_class_id: int | None

    @property
    def right(self) -> bool | None:
        """Whether the answer was right; None where the image was not usable."""
        return is_right(self.decision, self.verdict)

    @property
    def best_is_true(self) -> bool | None:
        """Whether the best class was the true one, whatever was answered; None where the truth is not known."""
        if self.true_class_id is not None:
            return self.true_class_id == self.class_id
        return False if self.verdict == Verdict.CLASS_NOT_IN_MODEL else None


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Best classes of a range of confidence: their mean confidence, and how many were the true class."""

    low: float
    high: float
    confidence: float
    share: Share


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures of the graded answers of a period. Groups without a grade that counts are left out."""

    graded: int
    not_usable: int
    overall: Share
    by_decision: Sequence[tuple[str, Share]]
    over_time: Sequence[tuple[date, date, Share]]
    by_version: Sequence[tuple[int, Share]]
    by_confidence: Sequence[ConfidenceBin]
    by_class: Sequence[tuple[str, Share]]
    days_a_step: int


def graded_answers(session: Session, project_id: int, period: Period, version: int | None = None) -> list[GradedAnswer]:
    """The graded transactions of a period, oldest first."""
    statement = (
        select(
            Transaction.at,
            ModelVersion.number,
            Transaction.decision,
            Grade.verdict,
            Transaction.class_1,
            LabelClass.name,
            Transaction.confidence_1,
            Grade.true_class_id,
        )
        .join(Grade, Grade.transaction_id == Transaction.id)
        .join(ModelVersion, ModelVersion.id == Transaction.version_id)
        .join(LabelClass, LabelClass.id == Transaction.class_1)
        .where(Transaction.graded_at.is_not(None))
        .order_by(Transaction.at)
    )
    rows = session.execute(within(statement, project_id, period, version))
    return [
        GradedAnswer(at.date(), number, decision, verdict, class_id, name, confidence, true_class_id)
        for at, number, decision, verdict, class_id, name, confidence, true_class_id in rows
    ]


def accuracy(answers: Sequence[GradedAnswer], period: Period) -> Accuracy:
    """Reckon the figures."""
    step = 1 if period.days <= _DAILY_UP_TO_DAYS else _WEEK
    order = {decision: place for place, decision in enumerate(Decision)}
    answered = [one for one in answers if one.decision == Decision.ANSWERED]
    by_decision = shares(answers, lambda one: one.decision)
    return Accuracy(
        graded=len(answers),
        not_usable=sum(one.verdict == Verdict.NOT_USABLE for one in answers),
        overall=_share([one.right for one in answers]),
        by_decision=sorted(by_decision, key=lambda each: order[Decision(each[0])]),
        over_time=[
            (first, min(first + timedelta(days=step - 1), period.last), share)
            for first, share in sorted(shares(answers, lambda one: _step_of(one.day, period, step)), key=_first)
        ],
        by_version=sorted(shares(answers, lambda one: one.version_number), key=lambda each: -each[0]),
        by_confidence=_bins(answers),
        by_class=_worst_first(shares(answered, lambda one: one.class_name)),
        days_a_step=step,
    )


def shares(answers: Sequence[GradedAnswer], key: Callable[[GradedAnswer], Key]) -> list[tuple[Key, Share]]:
    """The share of right answers in each group; answers to unusable images do not count."""
    groups: dict[Key, list[bool | None]] = {}
    for one in answers:
        groups.setdefault(key(one), []).append(one.right)
    return [(group, share) for group, rights in groups.items() if (share := _share(rights)).total]


def _share(rights: Sequence[bool | None]) -> Share:
    counted = [right for right in rights if right is not None]
    return wilson(sum(counted), len(counted))


def _step_of(day: date, period: Period, step: int) -> date:
    return period.first + timedelta(days=(day - period.first).days // step * step)


def _first(each: tuple[date, Share]) -> date:
    return each[0]


def _worst_first(found: list[tuple[str, Share]]) -> list[tuple[str, Share]]:
    """Those whose accuracy is surely low first: by the interval's upper bound, since few grades prove little."""
    return sorted(found, key=lambda each: (each[1].high, each[1].value, each[0]))


def _bins(answers: Sequence[GradedAnswer]) -> list[ConfidenceBin]:
    groups: list[list[GradedAnswer]] = [[] for _ in range(BINS)]
    for one in answers:
        if one.best_is_true is not None:
            groups[min(BINS - 1, int(one.confidence * BINS))].append(one)
    return [
        ConfidenceBin(
            low=place / BINS,
            high=(place + 1) / BINS,
            confidence=sum(one.confidence for one in group) / len(group),
            share=wilson(sum(bool(one.best_is_true) for one in group), len(group)),
        )
        for place, group in enumerate(groups)
        if group
    ]
