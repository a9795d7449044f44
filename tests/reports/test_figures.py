"""Every figure of a report equals a plain recount of the rows, within the period and the version asked for."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.shares import wilson
from app.inference.ranking import Decision
from app.projects.models import Project
from app.reports.accuracy import accuracy, graded_answers
from app.reports.figures import figures
from app.reports.schemas import Period, ReportFilter
from app.reports.usage import percentile, usage
from app.serving.models import Grade, Transaction
from app.serving.service import grade
from tests.factories.accounts import make_user
from tests.factories.serving import NAMES, Production, in_production, make_transaction, promote_another

LAST = date(2026, 5, 31)
PERIOD = Period(LAST - timedelta(days=29), LAST)


@pytest.fixture
def productions(project: Project) -> list[Production]:
    """Two versions that served one after the other, with 200 requests over 40 days, a third of them graded."""
    made = [in_production(project.id), promote_another(project.id, seed=1)]
    chance = random.Random(7)
    with write() as session:
        user_id = make_user(session).id
        for _ in range(200):
            back = chance.randrange(40)
            moment = datetime(2026, 5, 31, chance.randrange(24), chance.randrange(60), tzinfo=UTC)
            production = made[back < 15]
            decision = chance.choice(["answered", "answered", "choices", "unable"])
            transaction_id = make_transaction(
                session,
                project.id,
                production,
                at=moment - timedelta(days=back),
                decision=decision,
                best=chance.randrange(3),
                confidence=round(chance.random(), 3),
                client=chance.choice(["till", "app", "=SUM(A1)"]),
                latency_ms=round(chance.uniform(5, 60), 1),
            )
            if chance.random() < 0.35:
                verdict = chance.choice(["correct", "correct", "class_not_in_model", "not_usable"])
                asked = {"project_id": project.id, "transaction_id": transaction_id, "user_id": user_id}
                grade(session, verdict=verdict, **asked)  # type: ignore[arg-type]
    return made


def rows_of(project: Project, period: Period) -> list[tuple[Transaction, Grade | None]]:
    with read() as session:
        query = select(Transaction, Grade).outerjoin(Grade, Grade.transaction_id == Transaction.id)
        found = session.execute(query.where(Transaction.project_id == project.id)).all()
    return [(one, given) for one, given in found if period.first <= one.at.date() <= period.last]


def test_usage_equals_a_plain_recount(project: Project, productions: list[Production]):
    rows = [one for one, _ in rows_of(project, PERIOD)]
    with read() as session:
        found = usage(session, project.id, PERIOD)
    decisions = Counter(one.decision for one in rows)
    assert (found.total.answered, found.total.choices, found.total.unable) == tuple(
        decisions[decision] for decision in Decision
    )
    assert 0 < found.total.requests == len(rows) < 200
    by_day = Counter(one.at.date() for one in rows)
    assert [(day, mix.requests) for day, mix, _ in found.by_day] == [(day, by_day[day]) for day in PERIOD.each_day()]
    assert {client: mix.requests for client, mix in found.by_client} == Counter(one.client for one in rows)
    ids = {made.version.id: made.version.number for made in productions}
    assert {number: mix.requests for number, mix in found.by_version} == Counter(ids[one.version_id] for one in rows)


def test_latency_percentiles_are_those_of_the_sorted_list(project: Project, productions: list[Production]):  # noqa: ARG001
    latencies = sorted(one.latency_ms for one, _ in rows_of(project, PERIOD))
    with read() as session:
        found = usage(session, project.id, PERIOD)
    assert found.latency.p50 == latencies[(len(latencies) + 1) // 2 - 1]
    assert found.latency.p95 == latencies[-(-len(latencies) * 95 // 100) - 1]
    assert percentile({}, 0.5) is None


def test_accuracy_equals_a_plain_recount(project: Project, productions: list[Production]):
    numbers = {made.version.id: made.version.number for made in productions}
    names = dict(zip(productions[0].version.class_ids, NAMES, strict=True))
    graded = [(one, given) for one, given in rows_of(project, PERIOD) if given is not None]
    with read() as session:
        found = accuracy(graded_answers(session, project.id, PERIOD), PERIOD)

    def right(one: Transaction, given: Grade) -> bool | None:
        if given.verdict == "not_usable":
            return None
        if given.verdict == "class_not_in_model":
            return one.decision == "unable"
        return given.verdict == "correct"

    counted = [(one, given, is_right) for one, given in graded if (is_right := right(one, given)) is not None]
    assert found.graded == len(graded)
    assert found.not_usable == len(graded) - len(counted) > 0
    assert found.overall == wilson(sum(is_right for *_, is_right in counted), len(counted))

    def tally(key: object) -> dict[object, tuple[int, int]]:
        hits, totals = Counter[object](), Counter[object]()
        for one, _, is_right in counted:
            name = key(one)  # type: ignore[operator]
            hits[name] += is_right
            totals[name] += 1
        return {name: (hits[name], totals[name]) for name in totals}

    def shown(groups: object) -> dict[object, tuple[int, int]]:
        return {name: (share.hits, share.total) for name, share in groups}  # type: ignore[attr-defined]

    assert shown(found.by_version) == tally(lambda one: numbers[one.version_id])
    assert shown(found.by_decision) == tally(lambda one: one.decision)
    weeks = tally(lambda one: PERIOD.first + timedelta(days=(one.at.date() - PERIOD.first).days // 7 * 7))
    assert shown((first, share) for first, _, share in found.over_time) == weeks
    assert found.over_time[-1][1] == PERIOD.last
    answered = [entry for entry in counted if entry[0].decision == "answered"]
    counted = answered
    assert shown(found.by_class) == tally(lambda one: names[one.class_1])
    assert [share.high for _, share in found.by_class] == sorted(share.high for _, share in found.by_class)


def test_the_reliability_of_confidence_counts_where_the_truth_is_known(
    project: Project,
    productions: list[Production],  # noqa: ARG001
):
    known = [
        (one.confidence_1, given.true_class_id == one.class_1)
        for one, given in rows_of(project, PERIOD)
        if given is not None and (given.true_class_id is not None or given.verdict == "class_not_in_model")
    ]
    with read() as session:
        found = accuracy(graded_answers(session, project.id, PERIOD), PERIOD)
    for one in found.by_confidence:
        inside = [(value, right) for value, right in known if one.low <= value < one.high or value == one.high == 1]
        assert (one.share.hits, one.share.total) == (sum(right for _, right in inside), len(inside))
        assert one.confidence == pytest.approx(sum(value for value, _ in inside) / len(inside))
    assert sum(one.share.total for one in found.by_confidence) == len(known)


def test_a_version_and_a_shorter_period_count_their_own(project: Project, productions: list[Production]):
    period = Period(LAST - timedelta(days=9), LAST)
    first, second = productions
    rows = rows_of(project, period)
    with read() as session:
        chosen = ReportFilter(first=period.first, last=period.last, version=second.version.number)
        found = figures(session, project.id, chosen)
        other = figures(session, project.id, chosen.model_copy(update={"version": first.version.number}))
    assert found.usage.total.requests == len(rows) > 0
    assert found.accuracy.graded == sum(given is not None for _, given in rows)
    assert found.accuracy.days_a_step == 1
    assert other.usage.total.requests == 0
    assert other.usage.latency.p50 is None
    assert [one.version_number for one in found.deployments] == [second.version.number, first.version.number]
    assert [one.ended_at is None for one in found.deployments] == [True, False]


def test_another_project_counts_nothing_of_it(project: Project, productions: list[Production]):  # noqa: ARG001
    with read() as session:
        found = figures(session, project.id + 1, ReportFilter(first=PERIOD.first, last=PERIOD.last))
    assert (found.usage.total.requests, found.accuracy.graded, found.deployments) == (0, 0, [])
