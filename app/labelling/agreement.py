"""How far people agree: Cohen's kappa overall, class by class and pair by pair, from second opinions.

Kappa: J. Cohen, Educ. Psychol. Meas. 20 (1960) 37-46. Its large-sample standard error: J. L. Fleiss, J. Cohen,
B. S. Everitt, Psychol. Bull. 72 (1969) 323-327, eq. 15. Sub-classes are not compared: models go by the class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.shares import Share, wilson
from app.core.texts import tr
from app.labelling.models import LabelClass, SecondOpinion

LOOKED_AT = 50_000
_Z = 1.959964
Said = TypeVar("Said", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Kappa:
    """Chance-corrected agreement with its 95% interval, -1..1; NaN-free: see `kappa` for when there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two judgements of the same images agree. `kappa` is None where chance alone would agree on everything."""

    what: str
    id: int | None
    share: Share
    kappa: Kappa | None

    @property
    def pairs(self) -> int:
        """Images judged twice."""
        return self.share.total


@dataclass(frozen=True, slots=True)
class Report:
    """Agreement over all pairs, for each class against all others, and for each pair of people."""

    overall: Agreement
    by_class: list[Agreement]
    by_pair: list[Agreement]
    looked_at: int


def kappa(table: Mapping[tuple[Said, Said], int]) -> Kappa | None:
    """Cohen's kappa of counts by (first, second); None for no pair, or where only one answer ever occurs."""
    total = sum(table.values())
    if not total:
        return None
    rows, columns = Counter[Said](), Counter[Said]()
    for (first, second), count in table.items():
        rows[first] += count
        columns[second] += count
    observed = sum(count for (first, second), count in table.items() if first == second) / total
    expected = sum(rows[each] * columns[each] for each in rows) / total**2
    if expected >= 1:
        return None
    value = (observed - expected) / (1 - expected)
    on, off = 0.0, 0.0
    for (first, second), count in table.items():
        if first == second:
            on += count / total * (1 - (rows[first] + columns[first]) / total * (1 - value)) ** 2
        else:
            off += count / total * ((columns[first] + rows[second]) / total) ** 2
    spread = on + (1 - value) ** 2 * off - (value - expected * (1 - value)) ** 2
    error = _Z * sqrt(max(spread, 0.0) / total) / (1 - expected)
    low, high = max(value - error, -1.0), min(value + error, 1.0)
    return Kappa(*(round(each, 12) + 0.0 for each in (value, low, high)))  # No "-0.00".


def agreement(what: str, table: Mapping[tuple[Said, Said], int], *, id: int | None = None) -> Agreement:  # noqa: A002 - an id it is
    """The agreement of one table of counts."""
    same = sum(count for (first, second), count in table.items() if first == second)
    return Agreement(what, id, wilson(same, sum(table.values())), kappa(table))


def report(session: Session, project_id: int, *, user_id: int | None = None) -> Report:
    """The agreement of a project's newest LOOKED_AT second opinions; with `user_id`, of those they are in."""
    rows = _counts(session, project_id, user_id)
    names, people = _class_names(session, project_id), _people(session, rows)
    overall: Counter[tuple[str, str]] = Counter()
    by_pair: dict[tuple[int, int], Counter[tuple[str, str]]] = defaultdict(Counter)
    for (first, second, first_user, second_user), count in rows.items():
        overall[first, second] += count
        if first_user is not None and first_user <= second_user:
            by_pair[first_user, second_user][first, second] += count
        elif first_user is not None:
            by_pair[second_user, first_user][second, first] += count
    said = sorted({each for pair in overall for each in pair}, key=lambda each: str(names.get(each, each)).casefold())
    classes = [
        agreement(names.get(each, each), _against_rest(overall, each), id=int(each) if each.isdecimal() else None)
        for each in said
    ]
    pairs = [
        agreement(tr("%(one)s and %(other)s", one=people[one], other=people[other]), table)
        for (one, other), table in sorted(by_pair.items())
    ]
    return Report(agreement(tr("all pairs"), overall), classes, pairs, sum(rows.values()))


def _against_rest(table: Mapping[tuple[str, str], int], each: str) -> Counter[tuple[bool, bool]]:
    found: Counter[tuple[bool, bool]] = Counter()
    for (first, second), count in table.items():
        found[first == each, second == each] += count
    return found


def _counts(session: Session, project_id: int, user_id: int | None) -> dict[tuple[str, str, int | None, int], int]:
    """Pairs of answers by (first, second, who, who); an answer is a class id as text, "unknown" or "none"."""
    opinion = SecondOpinion
    columns = (
        *(opinion.first_state, opinion.first_class_id, opinion.second_state, opinion.second_class_id),
        *(opinion.first_user_id, opinion.second_user_id),
    )
    query = select(*columns).where(opinion.project_id == project_id, opinion.second_at.is_not(None))
    if user_id is not None:
        query = query.where((opinion.first_user_id == user_id) | (opinion.second_user_id == user_id))
    some = query.order_by(opinion.id.desc()).limit(LOOKED_AT).subquery()
    found: dict[tuple[str, str, int | None, int], int] = {}
    grouped = session.execute(select(*some.c, func.count()).group_by(*some.c))
    for state_1, class_1, state_2, class_2, who_1, who_2, count in map(tuple, grouped):
        found[_said(state_1, class_1), _said(state_2, class_2), who_1, who_2] = count
    return found


def _said(state: str, class_id: int | None) -> str:
    return state if class_id is None else str(class_id)


def _class_names(session: Session, project_id: int) -> dict[str, str]:
    rows = session.execute(select(LabelClass.id, LabelClass.name).where(LabelClass.project_id == project_id))
    words = {"unknown": tr("unknown"), "none": tr("none of the classes")}
    return words | {str(class_id): name for class_id, name in rows}


def _people(session: Session, rows: Mapping[tuple[str, str, int | None, int], int]) -> dict[int, str]:
    ids = {each for _, _, first, second in rows for each in (first, second) if each is not None}
    return dict(session.execute(select(User.id, User.name).where(User.id.in_(ids))).all())
