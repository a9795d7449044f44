"""The version pages: what is shown, who may act, and that a refusal is said in plain words."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from app.core.database import read, write
from app.projects.models import Project
from app.registry.models import Deployment, ModelVersion
from app.registry.queries import production
from app.runs.models import Run
from tests.factories.evaluation import benchmark_set
from tests.factories.registry import deploy, tiny_version
from tests.promotion.conftest import Bench
from tests.web_client import Browser, SignInAs

REASON = "The field has changed since the set was made"


@pytest.fixture
def base(project: Project) -> str:
    return f"/projects/{project.slug}"


def promotes(browser: Browser, base: str, number: int, **fields: str) -> tuple[int, str]:
    sent = {"reason": "Better on pears", "expected_deployment_id": "", "override_reason": "", **fields}
    answer = browser.post(f"{base}/models/{number}/promote", data=sent)
    return answer.status_code, answer.text


def serving_number(bench: Bench) -> int | None:
    with read() as session:
        found = production(session, bench.project_id)
    return found.number if found else None


def test_the_list_shows_figures_with_their_interval_and_what_was_not_measured(
    sign_in_as: SignInAs, base: str, bench: Bench
):
    bench.evaluate(bench.first, 20)
    deploy(bench.project_id, bench.first.id)
    page = sign_in_as("viewer").get(f"{base}/models").text
    assert re.search(r"<strong>0\.950</strong>\s*± 0\.022\s*<span class=\"muted\">on 400 images", page)
    assert "in production" in page
    assert "not measured" in page
    assert page.index("Version 2") < page.index("Version 1")


def test_an_empty_project_offers_the_first_training(sign_in_as: SignInAs, base: str):
    assert "Train the first version" in sign_in_as("engineer").get(f"{base}/models").text
    assert "Train the first version" not in sign_in_as("viewer").get(f"{base}/models").text
    assert "Nothing has been promoted yet" in sign_in_as("viewer").get(f"{base}/production").text


def test_a_version_shows_its_card_and_classes_worst_first(sign_in_as: SignInAs, base: str, bench: Bench):
    bench.evaluate(bench.first, 100)
    page = sign_in_as("viewer").get(f"{base}/models/1?subset={bench.subset}").text
    classes = page[page.index('id="classes"') :]
    assert classes.index("Apple") < classes.index("Pear")
    assert "not measured" in classes
    assert "Snapshot" in page
    assert "What hardware will answer?" in page
    by_name = sign_in_as("viewer").get(f"{base}/models/1?subset={bench.subset}&sort=name&order=descending").text
    by_name = by_name[by_name.index('id="classes"') :]
    assert by_name.index(">Pear<") < by_name.index(">Apple<")
    searched = sign_in_as("viewer").get(f"{base}/models/1?subset={bench.subset}&q=pea").text
    assert ">Apple<" not in searched[searched.index('id="classes"') :]


def test_a_version_that_was_never_evaluated_says_so_and_offers_it(sign_in_as: SignInAs, base: str, bench: Bench):
    engineer = sign_in_as("engineer")
    page = engineer.get(f"{base}/models/1").text
    assert "Not evaluated yet" in page
    assert "Promote v1" not in page
    assert engineer.post(f"{base}/models/1/evaluate").status_code == 303
    with read() as session:
        run = session.scalars(select(Run).where(Run.kind == "evaluation.evaluate")).one()
    assert run.parameters == {"version_id": bench.first.id}
    assert f"run {run.id}" in engineer.get(f"{base}/models/1").text


def test_a_set_made_since_is_named_with_a_button_to_evaluate_again(sign_in_as: SignInAs, base: str, bench: Bench):
    bench.evaluate(bench.first)
    with write() as session:
        session.execute(update(Run).where(Run.kind == "evaluation.evaluate").values(state="succeeded"))
    benchmark_set(bench.project_id, 2, bench.first.class_ids[0], name="Hard <b>")
    page = sign_in_as("engineer").get(f"{base}/models/1").text
    assert "Not measured on: Hard &lt;b&gt;." in page
    assert "Evaluate v1 again" in page
    assert "Evaluate v1 again" not in sign_in_as("reviewer").get(f"{base}/models/1").text


def test_an_engineer_sees_the_gate_then_promotes_and_rolls_back(sign_in_as: SignInAs, base: str, bench: Bench):
    bench.evaluate(bench.first)
    bench.evaluate(bench.second)
    engineer = sign_in_as("engineer")
    gate = engineer.get(f"{base}/models/1/gate").text
    assert "Promote v1 to production" in gate
    assert "Nothing else serves" in gate
    assert promotes(engineer, base, 1)[0] == 303
    first = serving_deployment(bench)
    assert "instead of v1" in engineer.get(f"{base}/models/2/gate").text
    assert promotes(engineer, base, 2, expected_deployment_id=str(first))[0] == 303
    history = engineer.get(f"{base}/production").text
    assert "Roll back to v1" in history
    sent = {"reason": "Complaints", "expected_deployment_id": str(serving_deployment(bench))}
    assert engineer.post(f"{base}/production/rollback", data=sent).status_code == 303
    assert serving_number(bench) == 1
    history = engineer.get(f"{base}/production").text
    assert "rolled back to" in history
    assert "Complaints" in history
    assert "Better on pears" in history


def serving_deployment(bench: Bench) -> int:
    with read() as session:
        found = production(session, bench.project_id)
    assert found is not None
    return found.deployment_id


def test_a_gate_that_is_not_passed_bars_the_engineer_and_asks_the_administrator_why(
    sign_in_as: SignInAs, base: str, bench: Bench
):
    bench.evaluate(bench.first, 300)
    engineer, administrator = sign_in_as("engineer"), sign_in_as("administrator")
    page = engineer.get(f"{base}/models/1/gate").text
    assert "only an administrator can promote it" in page
    assert 'id="promote"' not in page
    status, text = promotes(engineer, base, 1, override_reason=REASON)
    assert (status, "needs the role administrator" in text) == (403, True)
    status, text = promotes(administrator, base, 1)
    assert (status, "the gate is failed" in text) == (409, True)
    status, text = promotes(administrator, base, 1, override_reason="because")
    assert (status, "at least 10 characters" in text, "because" in text) == (422, True, True)
    assert serving_number(bench) is None
    assert promotes(administrator, base, 1, override_reason=REASON)[0] == 303
    assert REASON in administrator.get(f"{base}/production").text


def test_who_saw_another_production_is_told_and_sees_the_gate_as_it_is_now(
    sign_in_as: SignInAs, base: str, bench: Bench
):
    bench.evaluate(bench.first)
    bench.evaluate(bench.second)
    engineer = sign_in_as("engineer")
    assert promotes(engineer, base, 1)[0] == 303
    status, text = promotes(engineer, base, 2)
    assert status == 409
    assert "production has changed meanwhile: version 1 serves now" in text
    assert f'name="expected_deployment_id" value="{serving_deployment(bench)}"' in text
    stale = {"reason": "x", "expected_deployment_id": "12345"}
    answer = engineer.post(f"{base}/production/rollback", data=stale)
    assert (answer.status_code, "changed meanwhile" in answer.text) == (409, True)


@pytest.mark.parametrize(
    "fields", [{"reason": ""}, {"reason": " "}, {"expected_deployment_id": "x"}, {"reason": "x" * 2001}]
)
def test_a_form_that_breaks_a_rule_comes_back_with_words(
    sign_in_as: SignInAs, base: str, bench: Bench, fields: dict[str, str]
):
    bench.evaluate(bench.first)
    status, text = promotes(sign_in_as("engineer"), base, 1, **fields)
    assert status == 422
    assert 'role="alert"' in text
    assert serving_number(bench) is None


def test_a_throw_away_version_offers_no_promotion_and_its_form_is_refused(
    sign_in_as: SignInAs, base: str, bench: Bench
):
    thrown = tiny_version(bench.project_id, ["Apple", "Pear"], throwaway=True)
    bench.evaluate(thrown)
    administrator = sign_in_as("administrator")
    page = administrator.get(f"{base}/models/{thrown.number}").text
    assert "can never be promoted" in page
    assert "to production</a>" not in page
    assert 'id="promote"' not in administrator.get(f"{base}/models/{thrown.number}/gate").text
    status, text = promotes(administrator, base, thrown.number, override_reason=REASON)
    assert (status, "can never be promoted" in text) == (409, True)
    with read() as session:
        assert session.scalars(select(Deployment)).all() == []


@pytest.mark.parametrize("role", ["viewer", "labeller", "reviewer"])
def test_lesser_roles_read_everything_and_move_nothing(sign_in_as: SignInAs, base: str, bench: Bench, role: str):
    bench.evaluate(bench.first)
    browser = sign_in_as(role)
    for page in ("models", "models/1", "models/1/gate", "models/1/compare", "production"):
        assert browser.get(f"{base}/{page}").status_code == 200
    assert 'id="promote"' not in browser.get(f"{base}/models/1/gate").text
    assert promotes(browser, base, 1)[0] == 403
    assert browser.post(f"{base}/models/1/evaluate").status_code == 403
    assert browser.post(f"{base}/production/rollback", data={}).status_code == 403
    assert serving_number(bench) is None


def test_two_versions_are_compared_image_by_image_with_links_to_what_changed(
    sign_in_as: SignInAs, base: str, bench: Bench
):
    bench.evaluate(bench.first, 40)
    bench.evaluate(bench.second, 10)
    page = sign_in_as("viewer").get(f"{base}/models/2/compare?with=1").text
    link = f"/models/2/images?subset={bench.subset}&amp;against=1&amp;outcome=fixed"
    assert link in page
    assert "better" in page
    assert "+30" in page
    images = sign_in_as("viewer").get(base + link.replace("&amp;", "&")).text
    assert "30 images" in images
    assert "v1: Pear 60%" in images


def test_a_lone_version_has_nothing_to_be_compared_with(sign_in_as: SignInAs, base: str, project: Project):
    tiny_version(project.id, ["Apple", "Pear"])
    assert "There is no other version" in sign_in_as("viewer").get(f"{base}/models/1/compare").text


@pytest.mark.parametrize("path", ["models/9", "models/9/gate", "models/1/compare?with=9", "models/0"])
def test_versions_that_do_not_exist_are_not_found(sign_in_as: SignInAs, base: str, bench: Bench, path: str):
    with read() as session:
        assert session.get(ModelVersion, bench.first.id) is not None
    assert sign_in_as("viewer").get(f"{base}/{path}").status_code == 404


def test_pages_lead_on_to_older_versions(sign_in_as: SignInAs, base: str, bench: Bench):
    older = sign_in_as("viewer").get(f"{base}/models?before=2").text
    assert "Version 1" in older
    assert "Version 2" not in older
    assert bench.first.number == 1
