"""A throw-away version is never promoted nor a parent: not by service, not by command, and not by plain SQL."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from app.cli.main import app as command
from app.core.database import get_engine, read, write
from app.core.errors import Conflict
from app.projects.models import Project
from app.promotion.rules import Verdict
from app.promotion.service import gate, promote
from app.registry.lifecycle import change_state
from app.registry.models import Deployment, VersionState
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.promotion.conftest import Bench

REASON = "The field has changed since the set was made"


@pytest.fixture
def thrown(bench: Bench) -> TinyVersion:
    version = tiny_version(bench.project_id, ["Apple", "Pear"], throwaway=True)
    bench.evaluate(version)
    return version


def no_deployments() -> bool:
    with read() as session:
        return session.scalars(sa.select(Deployment)).all() == []


def by_sql(statement: str, **values: object) -> None:
    """One statement as anybody with a database shell would send it."""
    with get_engine().begin() as connection:
        connection.execute(sa.text(statement), values)


def refused(statement: str, **values: object) -> str:
    with pytest.raises(sa.exc.IntegrityError) as error:
        by_sql(statement, **values)
    return str(error.value.orig).lower()


def inserted_deployment(project_id: int, version_id: int, *, throwaway: bool) -> str:
    return refused(
        "INSERT INTO deployment (project_id, version_id, throwaway, is_active, act, reason, upper_threshold,"
        " lower_threshold, created_at) VALUES (:project, :version, :throwaway, true, 'promote', 'by hand', 0.8, 0.4,"
        " '2026-01-01 00:00:00+00')",
        project=project_id,
        version=version_id,
        throwaway=throwaway,
    )


def test_the_service_refuses_it_whoever_asks_and_the_gate_says_why(bench: Bench, thrown: TinyVersion):
    with read() as session:
        found = gate(session, thrown.id, bench.project_id)
    assert found.verdict == Verdict.FAILED
    assert "never be promoted" in found.findings[0].says
    with write() as session, pytest.raises(Conflict, match="throw-away"):
        promote(
            session,
            project_id=bench.project_id,
            version_id=thrown.id,
            user_id=None,
            role="administrator",
            reason="Because",
            override_reason=REASON,
        )
    with write() as session, pytest.raises(Conflict, match="throw-away"):
        change_state(session, thrown.id, to_state=VersionState.APPROVED, reason="by hand", user_id=None)
    assert no_deployments()


def test_the_command_refuses_it_with_a_failing_exit_status(project: Project, thrown: TinyVersion):
    options = ["--project", project.slug, "--version", str(thrown.number), "--reason", "x", "--override", REASON]
    ended = CliRunner().invoke(command, ["promote", *options, "--json"])
    assert ended.exit_code != 0
    assert "throw-away" in json.loads(ended.stdout.strip().splitlines()[-1])["error"]["message"]
    assert no_deployments()


def test_plain_sql_cannot_deploy_it_whatever_it_claims(bench: Bench, thrown: TinyVersion):
    assert "foreign key" in inserted_deployment(bench.project_id, thrown.id, throwaway=False)
    assert "not_throwaway" in inserted_deployment(bench.project_id, thrown.id, throwaway=True)
    assert no_deployments()


def test_plain_sql_cannot_point_a_deployment_at_it(bench: Bench, thrown: TinyVersion):
    deploy(bench.project_id, bench.first.id)
    assert "foreign key" in refused("UPDATE deployment SET version_id = :id", id=thrown.id)
    assert "not_throwaway" in refused("UPDATE deployment SET version_id = :id, throwaway = true", id=thrown.id)


def test_plain_sql_cannot_make_the_version_or_its_run_another(thrown: TinyVersion):
    assert "foreign key" in refused("UPDATE model_version SET throwaway = false WHERE id = :id", id=thrown.id)
    assert "foreign key" in refused("UPDATE run SET throwaway = false WHERE id = :id", id=thrown.run_id)


def test_plain_sql_cannot_make_what_serves_a_throw_away_version(bench: Bench):
    deploy(bench.project_id, bench.first.id)
    assert "foreign key" in refused("UPDATE model_version SET throwaway = true WHERE id = :id", id=bench.first.id)
    assert "foreign key" in refused("UPDATE run SET throwaway = true WHERE id = :id", id=bench.first.run_id)


def test_plain_sql_cannot_make_it_a_parent(bench: Bench, thrown: TinyVersion):
    child = "UPDATE model_version SET parent_id = :parent, parent_throwaway = {} WHERE id = :child"
    ids = {"parent": thrown.id, "child": bench.second.id}
    assert "foreign key" in refused(child.format("false"), **ids)
    assert "parent_not_throwaway" in refused(child.format("true"), **ids)
    assert "parent_pair" in refused(child.format("NULL"), **ids)


def test_plain_sql_cannot_make_a_parent_a_throw_away_version(bench: Bench):
    tiny_version(bench.project_id, ["Apple", "Pear"], parent_id=bench.first.id, start="warm")
    assert "foreign key" in refused("UPDATE model_version SET throwaway = true WHERE id = :id", id=bench.first.id)


def test_registration_refuses_it_as_a_parent(bench: Bench, thrown: TinyVersion):
    with pytest.raises(Conflict, match="never a parent"):
        tiny_version(bench.project_id, ["Apple", "Pear"], parent_id=thrown.id, start="warm")


def test_a_second_active_deployment_of_a_project_is_refused_by_the_database(bench: Bench):
    deploy(bench.project_id, bench.first.id)
    with pytest.raises(sa.exc.IntegrityError):
        deploy(bench.project_id, bench.second.id)
