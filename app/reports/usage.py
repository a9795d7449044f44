"""Usage: requests by day, by client and by version, what was decided, how long it took. One pass over the period each.

Both queries read the period's entries of the index by project and time, or by version and time; nothing before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.core.database import is_sqlite
from app.inference.ranking import Decision
from app.registry.models import ModelVersion
from app.reports.schemas import Period
from app.serving.models import Transaction

Key = TypeVar("Key")
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Mix:
    """How many requests there were, by decision."""

    answered: int
    choices: int
    unable: int

    @property
    def requests(self) -> int:
        """All together."""
        return self.answered + self.choices + self.unable

    def share(self, count: int) -> float | None:
        """`count` as a share of the requests; None where there were none."""
        return count / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds: half of the requests took at most `p50`, 95 of 100 at most `p95`; None without requests."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Usage:
    """A period's requests. Days without a request are there, with zeroes."""

    total: Mix
    latency: Latency
    by_day: Sequence[tuple[date, Mix, Latency]]
    by_client: Sequence[tuple[str, Mix]]
    by_version: Sequence[tuple[int, Mix]]


def day_of(session: Session) -> ColumnElement[Any]:
    """The UTC day of a transaction in SQL: text on SQLite, a date on PostgreSQL."""
    if is_sqlite(session):
        return func.substr(Transaction.at, 1, 10)
    return func.date(func.timezone("UTC", Transaction.at))


def within(statement: Select[*Columns], project_id: int, period: Period, version: int | None) -> Select[*Columns]:
    """The statement over the project's transactions of a period, of one version or all."""
    statement = statement.where(
        Transaction.project_id == project_id, Transaction.at >= period.start, Transaction.at < period.end
    )
    if version is None:
        return statement
    of_number = select(ModelVersion.id).where(ModelVersion.project_id == project_id, ModelVersion.number == version)
    return statement.where(Transaction.version_id == of_number.correlate(None).scalar_subquery())


def usage(session: Session, project_id: int, period: Period, version: int | None = None) -> Usage:
    """Count the requests of a period."""
    day = day_of(session)
    key = (day, Transaction.version_id, Transaction.client, Transaction.decision)
    counted = within(select(*key, func.count()).group_by(*key), project_id, period, version)
    rows = [(_as_day(row[0]), *row[1:]) for row in session.execute(counted)]
    numbers = dict(
        session.execute(select(ModelVersion.id, ModelVersion.number).where(ModelVersion.project_id == project_id)).all()
    )
    by_day = _mixes((row[0], row[3], row[4]) for row in rows)
    by_client = _mixes((row[2], row[3], row[4]) for row in rows)
    by_version = _mixes((numbers[row[1]], row[3], row[4]) for row in rows)
    latencies = _latencies(session, project_id, period, version)
    together = sum(latencies.values(), Counter())
    return Usage(
        total=_mix(Counter(), *by_day.values()),
        latency=_latency(together),
        by_day=[
            (each, _mix(by_day.get(each, Counter())), _latency(latencies.get(each, Counter())))
            for each in period.each_day()
        ],
        by_client=sorted(
            ((client, _mix(counts)) for client, counts in by_client.items()), key=lambda one: (-one[1].requests, one[0])
        ),
        by_version=[(number, _mix(by_version[number])) for number in sorted(by_version, reverse=True)],
    )


def _latencies(session: Session, project_id: int, period: Period, version: int | None) -> dict[date, Counter[float]]:
    """How often each latency was seen, by day; they are recorded in tenths of a millisecond."""
    key = (day_of(session), Transaction.latency_ms)
    counted = within(select(*key, func.count()).group_by(*key), project_id, period, version)
    found: dict[date, Counter[float]] = {}
    for day, latency, requests in session.execute(counted):
        found.setdefault(_as_day(day), Counter())[latency] += requests
    return found


def _as_day(day: str | date) -> date:
    return date.fromisoformat(day) if isinstance(day, str) else day


def _mixes(rows: Iterable[tuple[Key, str, int]]) -> dict[Key, Counter[str]]:
    found: dict[Key, Counter[str]] = {}
    for key, decision, requests in rows:
        found.setdefault(key, Counter())[decision] += requests
    return found


def _mix(*counts: Mapping[str, int]) -> Mix:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return Mix(total[Decision.ANSWERED], total[Decision.CHOICES], total[Decision.UNABLE])


def _latency(seen: Counter[float]) -> Latency:
    return Latency(percentile(seen, 0.5), percentile(seen, 0.95))


def percentile(seen: Mapping[float, int], share: float) -> float | None:
    """The smallest value that at least `share` of the counted values do not exceed; None of nothing."""
    wanted = share * sum(seen.values())
    reached = 0
    for value in sorted(seen):
        reached += seen[value]
        if reached >= wanted:
            return value
    return None
