"""Promote and roll back: who may, what is kept, and that of two at once one wins and the other is told."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from app.accounts.models import AuditEntry
from app.core.database import read, write
from app.core.errors import Conflict, Forbidden, InvalidInput, NotFound, WinnowError
from app.core.settings import ROOT
from app.promotion.models import GateReport
from app.promotion.service import promote, roll_back
from app.registry.lifecycle import change_state
from app.registry.models import Deployment, ModelVersion, VersionState
from app.registry.queries import production
from app.registry.schemas import Production
from app.runs.models import Run
from tests.factories.registry import TinyVersion, tiny_version
from tests.promotion.conftest import Bench

REASON = "The field has changed since the set was made"


def put(bench: Bench, version: TinyVersion, **options: object) -> int:
    serving = now_serving(bench)
    expected = serving.deployment_id if serving else None
    with write() as session:
        return promote(
            session,
            **{
                "project_id": bench.project_id,
                "version_id": version.id,
                "user_id": None,
                "role": "engineer",
                "reason": "Better on pears",
                "expected_deployment_id": expected,
                **options,
            },
        )


def back(bench: Bench, **options: object) -> int:
    serving = now_serving(bench)
    with write() as session:
        return roll_back(
            session,
            **{
                "project_id": bench.project_id,
                "user_id": None,
                "role": "engineer",
                "reason": "Complaints",
                "expected_deployment_id": serving.deployment_id if serving else 0,
                **options,
            },
        )


def now_serving(bench: Bench) -> Production | None:
    with read() as session:
        return production(session, bench.project_id)


def history() -> list[Deployment]:
    with read() as session:
        return list(session.scalars(select(Deployment).order_by(Deployment.id)))


def test_a_promotion_keeps_who_when_why_the_gates_report_and_the_proposed_thresholds(bench: Bench):
    bench.evaluate(bench.first, upper=0.75)
    deployment_id = put(bench, bench.first)
    assert now_serving(bench) == Production(bench.first.id, bench.first.number, deployment_id, 0.75, 0.3)
    (row,) = history()
    assert (row.act, row.reason, row.override_reason, row.is_active, row.ended_at) == (
        "promote",
        "Better on pears",
        None,
        True,
        None,
    )
    with read() as session:
        report = session.get_one(GateReport, row.gate_report_id)
        version = session.get_one(ModelVersion, bench.first.id)
        noted = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        standing = session.scalars(select(Run).where(Run.kind == "identification.identify")).all()
    assert (report.verdict, report.candidate_id, report.production_id) == ("passed", bench.first.id, None)
    assert {each["verdict"] for each in report.rules["findings"]} == {"passed"}
    assert version.state == VersionState.APPROVED
    assert noted[-1] == "production.promoted"
    assert len(standing) == 1


@pytest.mark.parametrize("role", ["viewer", "labeller", "reviewer", "nobody"])
def test_only_engineers_promote_and_roll_back(bench: Bench, role: str):
    bench.evaluate(bench.first)
    with pytest.raises(Forbidden):
        put(bench, bench.first, role=role)
    with pytest.raises(Forbidden):
        back(bench, role=role)
    assert history() == []


def test_an_engineer_cannot_override_the_gate_and_an_administrator_needs_a_written_reason(bench: Bench):
    bench.evaluate(bench.first, 300)
    with pytest.raises(Conflict, match="the gate is failed") as refused:
        put(bench, bench.first, role="administrator")
    assert refused.value.code == "gate_not_passed"
    with pytest.raises(Conflict):
        put(bench, bench.first, role="administrator", override_reason="   ")
    with pytest.raises(InvalidInput):
        put(bench, bench.first, role="administrator", override_reason="because")
    with pytest.raises(Forbidden, match="administrator"):
        put(bench, bench.first, override_reason=REASON)
    assert history() == []
    put(bench, bench.first, role="administrator", override_reason=REASON)
    assert history()[0].override_reason == REASON


def test_an_override_that_was_not_needed_is_not_kept_as_one(bench: Bench):
    bench.evaluate(bench.first)
    put(bench, bench.first, role="administrator", override_reason=REASON)
    assert history()[0].override_reason is None


def test_a_rejected_version_needs_an_override_though_the_gate_is_passed(bench: Bench):
    bench.evaluate(bench.first)
    with write() as session:
        change_state(session, bench.first.id, to_state=VersionState.REJECTED, reason="Blurred", user_id=None)
    with pytest.raises(Conflict, match="was rejected"):
        put(bench, bench.first)
    put(bench, bench.first, role="administrator", override_reason=REASON)
    serving = now_serving(bench)
    assert serving is not None
    assert serving.version_id == bench.first.id


def test_what_was_never_evaluated_is_elsewhere_or_serves_already_is_refused(bench: Bench):
    with pytest.raises(Conflict, match="never evaluated"):
        put(bench, bench.first, role="administrator", override_reason=REASON)
    with pytest.raises(NotFound):
        put(bench, bench.first, project_id=bench.project_id + 1)
    bench.evaluate(bench.first)
    put(bench, bench.first)
    with pytest.raises(Conflict, match="in production already"):
        put(bench, bench.first)


def test_who_saw_an_older_production_is_told_that_it_has_changed(bench: Bench):
    bench.evaluate(bench.first)
    bench.evaluate(bench.second)
    first = put(bench, bench.first)
    for seen in (None, first + 100):
        with pytest.raises(Conflict, match="version 1 serves now"):
            put(bench, bench.second, expected_deployment_id=seen)
        with pytest.raises(Conflict, match="changed meanwhile"):
            back(bench, expected_deployment_id=seen or 0)
    assert len(history()) == 1


def test_of_many_promotions_at_once_one_wins_and_the_others_are_told(bench: Bench):
    third = tiny_version(bench.project_id, ["Apple", "Pear"], seed=3)
    versions = [bench.first, bench.second, third, bench.first]
    for version in versions[:3]:
        bench.evaluate(version)
    start = Barrier(len(versions))

    def at_once(version: TinyVersion) -> int | WinnowError:
        start.wait()
        try:
            return put(bench, version, expected_deployment_id=None)
        except WinnowError as error:
            return error

    with ThreadPoolExecutor(len(versions)) as pool:
        ended = list(pool.map(at_once, versions))
    won = [each for each in ended if isinstance(each, int)]
    told = [each for each in ended if isinstance(each, Conflict)]
    assert (len(won), len(told)) == (1, 3)
    assert [row.is_active for row in history()] == [True]


def test_roll_back_returns_to_the_version_before_with_its_thresholds_and_keeps_the_history(bench: Bench):
    bench.evaluate(bench.first, upper=0.7)
    bench.evaluate(bench.second, upper=0.9)
    put(bench, bench.first)
    put(bench, bench.second)
    back(bench)
    serving = now_serving(bench)
    assert serving is not None
    assert (serving.version_id, serving.upper) == (bench.first.id, 0.7)
    rows = history()
    assert [(row.act, row.version_id, row.is_active) for row in rows] == [
        ("promote", bench.first.id, False),
        ("promote", bench.second.id, False),
        ("rollback", bench.first.id, True),
    ]
    assert all((row.ended_at is None) == row.is_active for row in rows)
    assert rows[2].reason == "Complaints"
    with pytest.raises(Conflict, match="nothing served before"):
        back(bench)


def test_roll_back_never_returns_to_what_was_rolled_back_from(bench: Bench):
    third = tiny_version(bench.project_id, ["Apple", "Pear"], seed=3)
    for version in (bench.first, bench.second, third):
        bench.evaluate(version)
    put(bench, bench.first)
    put(bench, bench.second)
    back(bench)
    put(bench, third)
    back(bench)
    serving = now_serving(bench)
    assert serving is not None
    assert serving.version_id == bench.first.id


def test_without_production_there_is_nothing_to_roll_back(bench: Bench):
    with pytest.raises(Conflict):
        back(bench)


def test_only_the_promotion_service_writes_deployments():
    writes = re.compile(r"(insert|update|delete)\(Deployment|Deployment\(\n|session\.add\(deployment|INTO deployment")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("app", "worker")
        for path in Path(ROOT, folder).rglob("*.py")
        if writes.search(path.read_text())
    }
    assert found == {"app/promotion/service.py"}
