"""Model versions over the JSON API, with tokens."""

from __future__ import annotations

from typing import Any

import pytest

from app.projects.models import Project
from app.web.access import RoleName
from tests.factories.registry import tiny_version
from tests.promotion.conftest import Bench
from tests.web_client import Browser, SignInAs, make_api_token

REASON = "The field has changed since the set was made"


class Client:
    """Calls the project's API with a token of one role."""

    def __init__(self, browser: Browser, visitor: Browser, project: Project, role: RoleName) -> None:
        token = make_api_token(user_id=browser.user_id, project_id=project.id, role=role)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.visitor, self.base = visitor, f"/api/v1/projects/{project.slug}"

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.visitor.get(f"{self.base}/{path}", headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, sent: dict[str, Any], status: int = 200) -> Any:
        answer = self.visitor.post(f"{self.base}/{path}", json=sent, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def client(sign_in_as: SignInAs, visitor: Browser, project: Project) -> Any:
    def with_role(role: RoleName) -> Client:
        return Client(sign_in_as(role), visitor, project, role)

    return with_role


def test_versions_and_their_figures(client: Any, bench: Bench):
    bench.evaluate(bench.first, 20)
    viewer = client("viewer")
    newest, first = viewer.get("models")
    assert (newest["number"], newest["test_accuracy"], first["benchmark_accuracy"]["value"]) == (2, None, 0.95)
    assert [each["number"] for each in viewer.get("models?limit=1&before=2")] == [1]
    whole = viewer.get("models/1")
    assert whole["class_names"] == ["Apple", "Pear"]
    assert whole["thresholds"] == {"upper": 0.8, "lower": 0.3, "basis": "given by a test"}
    by_subset = {each["subset"]: each for each in whole["figures"]}
    assert by_subset[bench.subset]["accuracy"]["total"] == 400
    assert by_subset["validation"]["accuracy"] is None
    assert (whole["not_measured_on"], viewer.get("models/2")["not_measured_on"]) == ([], ["Field"])
    viewer.get("models/9", status=404)


def test_the_gate_then_promote_then_roll_back(client: Any, bench: Bench):
    bench.evaluate(bench.first)
    bench.evaluate(bench.second)
    engineer = client("engineer")
    gate = engineer.get("models/1/gate")
    assert (gate["verdict"], gate["against"], gate["needs_override"], gate["expected_deployment_id"]) == (
        "passed",
        None,
        False,
        None,
    )
    first = engineer.post("models/1/promote", {"reason": "First"})
    gate = engineer.get("models/2/gate")
    assert (gate["against"], gate["expected_deployment_id"]) == (1, first["deployment_id"])
    told = engineer.post("models/2/promote", {"reason": "Second"}, status=409)
    assert "changed meanwhile" in told["error"]["message"]
    expected = {"expected_deployment_id": gate["expected_deployment_id"]}
    second = engineer.post("models/2/promote", {"reason": "Second", **expected})
    assert second["number"] == 2
    back = engineer.post("rollback", {"reason": "Complaints", "expected_deployment_id": second["deployment_id"]})
    assert (back["number"], back["upper"], back["lower"]) == (1, 0.8, 0.3)


def test_an_override_needs_an_administrator_with_a_written_reason(client: Any, bench: Bench):
    bench.evaluate(bench.first, 300)
    engineer, administrator = client("engineer"), client("administrator")
    sent = {"reason": "Needed now"}
    refused = engineer.post("models/1/promote", sent, status=409)
    assert refused["error"]["code"] == "gate_not_passed"
    engineer.post("models/1/promote", {**sent, "override_reason": REASON}, status=403)
    administrator.post("models/1/promote", {**sent, "override_reason": "short"}, status=422)
    assert administrator.post("models/1/promote", {**sent, "override_reason": REASON})["number"] == 1


def test_a_throw_away_version_is_refused(client: Any, bench: Bench):
    thrown = tiny_version(bench.project_id, ["Apple", "Pear"], throwaway=True)
    bench.evaluate(thrown)
    administrator = client("administrator")
    sent = {"reason": "Please", "override_reason": REASON}
    refused = administrator.post(f"models/{thrown.number}/promote", sent, status=409)
    assert "throw-away" in refused["error"]["message"]
    assert administrator.get(f"models/{thrown.number}/gate")["verdict"] == "failed"


@pytest.mark.parametrize(
    "sent", [{}, {"reason": ""}, {"reason": "x", "extra": 1}, {"reason": "x", "expected_deployment_id": "a"}]
)
def test_bodies_outside_the_schema_are_refused(client: Any, bench: Bench, sent: dict[str, Any]):
    bench.evaluate(bench.first)
    client("engineer").post("models/1/promote", sent, status=422)
    client("engineer").post("rollback", {**sent, "expected_deployment_id": -1}, status=422)


@pytest.mark.parametrize("role", ["viewer", "labeller", "reviewer"])
def test_lesser_tokens_only_read(client: Any, bench: Bench, role: RoleName):
    bench.evaluate(bench.first)
    lesser = client(role)
    lesser.get("models/1/gate")
    lesser.post("models/1/promote", {"reason": "x"}, status=403)
    lesser.post("rollback", {"reason": "x", "expected_deployment_id": 1}, status=403)
