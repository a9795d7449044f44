"""Production moves by pages alone: through the gate, over it by an administrator, and back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from app.core.database import read
from app.projects.models import Project
from app.promotion.models import GateReport
from app.registry.models import Deployment
from tests.browser.tabs import OpenTab
from tests.factories.evaluation import benchmark_set
from tests.factories.registry import tiny_version
from tests.promotion.conftest import IMAGES, Bench

DOUBTS = "The new shop sells no melons, and those are what it mistakes"


@pytest.fixture
def bench(project: Project) -> Bench:
    """Two versions measured on one benchmark set: the second is much worse."""
    first, second = (tiny_version(project.id, ["Apple", "Pear"], seed=seed) for seed in (1, 2))
    set_id, ids = benchmark_set(project.id, IMAGES, first.class_ids[0])
    found = Bench(project.id, set_id, ids, first, second)
    found.evaluate(first, 20)
    found.evaluate(second, 60)
    return found


def moves(project_id: int) -> list[tuple[object, ...]]:
    """Version id, act, reason, override and whether it serves, oldest first."""
    columns = (Deployment.version_id, Deployment.act, Deployment.reason, Deployment.override_reason)
    with read() as session:
        moved = select(*columns, Deployment.is_active).where(Deployment.project_id == project_id)
        return [tuple(row) for row in session.execute(moved.order_by(Deployment.id))]


def test_promoted_through_the_gate_overridden_by_an_administrator_and_rolled_back(
    open_tab: OpenTab, project: Project, bench: Bench
):
    models = f"/projects/{project.slug}/models"
    engineer = open_tab(project.id, "engineer")
    engineer.goto(f"{models}/1")
    engineer.get_by_role("link", name="Promote v1 to production").click()
    expect(engineer.locator("h2", has_text="The gate")).to_contain_text("passed")
    expect(engineer.get_by_text("Nothing else serves")).to_be_visible()
    expect(engineer.get_by_role("row", name="floor of 50% on Field")).to_contain_text("passed")
    engineer.get_by_label("Why this version?").fill("The first that answers")
    engineer.get_by_role("button", name="Promote v1 to production").click()
    expect(engineer.get_by_text("Version 1 is in production.")).to_be_visible()
    first = (bench.first.id, "promote", "The first that answers", None)
    assert moves(project.id) == [(*first, True)]

    engineer.goto(f"{models}/2/gate")
    expect(engineer.get_by_role("row", name="not worse on Field")).to_contain_text("Significantly worse")
    expect(engineer.get_by_text("only an administrator can promote it")).to_be_visible()
    expect(engineer.locator("#promote, [name=override_reason]")).to_have_count(0)

    administrator = open_tab(project.id, "administrator")
    administrator.goto(f"{models}/2/gate")
    administrator.get_by_label("Why this version?").fill("It is faster")
    administrator.get_by_label("Why promote it although the gate is failed?").fill(DOUBTS)
    administrator.get_by_role("button", name="Override the gate and promote v2").click()
    expect(administrator.locator("tr.row-current")).to_contain_text("Version 2")
    expect(administrator.locator("tr.row-current")).to_contain_text(DOUBTS)
    second = (bench.second.id, "promote", "It is faster", DOUBTS)
    assert moves(project.id) == [(*first, False), (*second, True)]

    engineer.goto(f"/projects/{project.slug}/production")
    engineer.get_by_text("Roll back to v1").first.click()
    engineer.get_by_label("Why roll back?").fill("Melons came after all")
    engineer.get_by_role("button", name="Roll back to v1").click()
    expect(engineer.get_by_text("Version 1 is back in production.")).to_be_visible()
    expect(engineer.locator("tr.row-current")).to_contain_text("rolled back to")
    back = (bench.first.id, "rollback", "Melons came after all", None)
    assert moves(project.id) == [(*first, False), (*second, False), (*back, True)]
    with read() as session:
        verdicts = select(GateReport.verdict).where(GateReport.project_id == project.id).order_by(GateReport.id)
        assert session.scalars(verdicts).all()[:2] == ["passed", "failed"]
