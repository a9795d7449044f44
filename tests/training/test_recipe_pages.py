"""Pages and API of recipes and notices."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from app.core.clock import now
from app.core.database import read, write
from app.projects.models import Project
from app.projects.notices import tell
from app.runs.models import Run
from app.training.recipe_models import Recipe
from tests.factories.datasets import make_class
from tests.factories.library import add_images
from tests.web_client import SignInAs, make_api_token

FORM: dict[str, Any] = {"name": "Nightly", "start": "head_only", "parent": "newest", "trigger": "hand"}


@pytest.fixture
def here(project: Project) -> str:
    """The recipes of a project with two classes above the cutoff."""
    with write() as session:
        for name in ("Apple", "Melon"):
            add_images(session, project.id, 45, class_id=make_class(session, project.id, name), state="labelled")
    return f"/projects/{project.slug}/recipes"


def kept(recipe_id: int) -> Recipe:
    with read() as session:
        return session.get_one(Recipe, recipe_id)


def test_an_engineer_writes_runs_changes_and_duplicates_a_recipe(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("engineer")
    assert "Write the first recipe" in browser.get(here).text
    weekly = {**FORM, "trigger": "schedule", "every": "week", "weekday": "4", "at_hour": "22", "new_labels": "200"}
    page = browser.post(here, data={**weekly, "then_identify": "true", "epochs": "9"}).headers["location"]
    shown = browser.get(page).text
    assert "every Friday at 22:00 UTC" in shown
    assert "then identifies the pool" in shown
    assert "It has not run yet" in shown
    run = browser.post(f"{page}/run").headers["location"]
    assert "Head only on EfficientNet-Lite0, 2 classes" in browser.get(run).text
    again = browser.post(f"{page}/run")
    assert again.headers["location"] == page
    assert "is not done yet" in browser.get(page).text
    with write() as session:
        session.execute(update(Run).values(state="failed", error_message="The disk is full."))
    assert "The disk is full." in browser.get(here).text
    form = browser.get(f"{page}/edit").text
    assert 'value="9"' in form
    changed = browser.post(page, data={**FORM, "name": "By <b>hand</b>"})
    assert changed.headers["location"] == page
    assert "By &lt;b&gt;hand&lt;/b&gt;" in browser.get(here).text
    recipe_id = page.rsplit("/", 1)[1]
    assert "hand&lt;/b&gt; copy" in browser.get(f"{here}/new?recipe={recipe_id}").text
    run_id = run.rsplit("/", 1)[1]
    assert f"As run {run_id}" in browser.get(f"{here}/new?run={run_id}").text
    copy = browser.post(here, data={**FORM, "name": "Copy", "from_run": run_id}).headers["location"]
    label_smoothing = kept(int(copy.rsplit("/", 1)[1])).choices["label_smoothing"]
    assert label_smoothing == 0.1


def test_what_is_wrong_comes_back_with_the_form_as_it_was(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("engineer")
    refused = browser.post(here, data={**FORM, "trigger": "labels", "epochs": "12"})
    assert (refused.status_code, "also needs new labels" in refused.text) == (422, True)
    assert 'value="12"' in refused.text
    browser.post(here, data=FORM)
    taken = browser.post(here, data=FORM)
    assert (taken.status_code, "another recipe has the name Nightly" in taken.text) == (409, True)


def test_a_viewer_looks_and_follows(sign_in_as: SignInAs, here: str, project: Project):
    engineer, viewer = sign_in_as("engineer"), sign_in_as("viewer")
    page = engineer.post(here, data=FORM).headers["location"]
    assert "Run now" not in viewer.get(here).text
    assert "Run now" not in viewer.get(page).text
    viewer.post(f"{page}/follow")
    assert "Stop following" in viewer.get(page).text
    viewer.post(f"/projects/{project.slug}/follow")
    assert "Stop following" in viewer.get(here).text
    engineer.post(f"{page}/delete")
    assert viewer.get(page).status_code == 404
    assert "Bring back" in engineer.get(here).text
    engineer.post(f"{page}/restore")
    assert viewer.get(page).status_code == 200


def test_notices_are_counted_listed_opened_and_end_with_the_membership(sign_in_as: SignInAs, project: Project):
    reader, other = sign_in_as("viewer"), sign_in_as("viewer")
    told: dict[str, Any] = {"project_id": project.id, "user_ids": [reader.user_id], "tone": "good"}
    with write() as session:
        for number in (1, 2, 2):
            tell(session, text=f"Version {number} <made>", path=f"/runs/{number}", key=f"run:{number}", **told)
    page = reader.get("/notices").text
    assert "2 unread" in page
    assert "Version 2 &lt;made&gt;" in page
    assert "Nothing to read" in other.get("/notices").text
    first = page.split("/notices/")[-1].split("/")[0]
    assert other.post(f"/notices/{first}/open").status_code == 404
    assert reader.post(f"/notices/{first}/open").headers["location"] == f"/projects/{project.slug}/runs/1"
    assert "1 unread" in reader.get("/projects").text
    reader.post("/notices/read")
    assert "All read" in reader.get("/notices").text
    with write() as session:
        session.connection().exec_driver_sql("DELETE FROM member")
    assert "Nothing to read" in reader.get("/notices").text


def test_recipes_over_the_api(sign_in_as: SignInAs, here: str, project: Project):
    engineer, viewer = sign_in_as("engineer"), sign_in_as("viewer")
    api = f"/api/v1{here}"
    token = make_api_token(user_id=engineer.user_id, project_id=project.id, role="engineer")
    bearer = {"Authorization": f"Bearer {token}"}
    asked = {"name": "After labels", "choices": {"start": "head_only"}, "trigger": "labels", "new_labels": 3}
    made = engineer.post(api, json=asked, headers=bearer)
    assert (made.status_code, made.json()["labels_since"]) == (201, 0)
    one = f"{api}/{made.json()['id']}"
    assert engineer.post(api, json={**asked, "new_labels": None}, headers=bearer).status_code == 422
    nightly = {
        "name": "Nightly",
        "choices": {"start": "head_only"},
        "trigger": "schedule",
        "every": "day",
        "at_hour": 2,
    }
    changed = engineer.put(one, json=nightly, headers=bearer).json()
    assert changed["next_at"] > now().isoformat()
    started = engineer.post(f"{one}/runs", headers=bearer)
    assert (started.status_code, started.json()["state"]) == (201, "queued")
    assert engineer.post(f"{one}/runs", headers=bearer).json()["error"]["code"] == "recipe_running"
    assert [each["last_run_id"] for each in viewer.get(api).json()] == [started.json()["id"]]
    assert engineer.delete(one, headers=bearer).status_code == 204
    assert viewer.get(one).status_code == 404
    with read() as session:
        assert session.scalars(select(Run.kind)).all() == ["training.train"]
