"""Pages, stream and API of runs."""

from __future__ import annotations

import json
import threading
import time

import pytest
from sqlalchemy import update

from app.core.database import read, write
from app.projects.models import Project
from app.runs import claims
from app.runs.models import Run, RunState
from app.runs.queries import newest_runs
from app.runs.schemas import Progress
from app.runs.service import request_run
from tests.factories.runs import reread
from tests.web_client import Browser, SignInAs, make_api_token


def asked(project: Project, **values: object) -> int:
    with write() as session:
        return request_run(
            session,
            **{
                "project_id": project.id,
                "kind": "identification.identify",
                "title": "Identify the pool",
                "parameters": {},
                **values,
            },
        )


def running(project: Project, **values: object) -> claims.Claim:
    claimed = claims.claim(asked(project, **values))
    assert claimed is not None
    return claimed


def events_of(text: str) -> list[tuple[str, dict[str, object]]]:
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_the_list_shows_newest_first_and_filters_by_kind_and_state(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("viewer")
    assert "Nothing has run yet" in browser.get(f"/projects/{project.slug}/runs").text
    asked(project, title="Identify <the> pool")
    asked(project, kind="training.train", title="Head only")
    page = browser.get(f"/projects/{project.slug}/runs").text
    assert page.index("Head only") < page.index("Identify &lt;the&gt; pool")
    filtered = browser.get(f"/projects/{project.slug}/runs?kind=training.train&state=queued").text
    assert "Head only" in filtered
    assert "Identify &lt;the&gt; pool" not in filtered
    assert "No such runs" in browser.get(f"/projects/{project.slug}/runs?state=failed").text
    assert browser.get(f"/projects/{project.slug}/runs?state=nonsense").status_code == 422


def test_pages_of_fifty_follow_each_other(sign_in_as: SignInAs, project: Project):
    ids = [asked(project) for _ in range(51)]
    browser = sign_in_as("viewer")
    first = browser.get(f"/projects/{project.slug}/runs").text
    assert f"before={ids[1]}" in first
    second = browser.get(f"/projects/{project.slug}/runs?before={ids[1]}").text
    assert f'/runs/{ids[0]}"' in second
    with read() as session:
        assert [run.id for run in newest_runs(session, project.id, limit=3)] == ids[:-4:-1]


def test_a_failed_run_says_what_happened_and_what_to_do(sign_in_as: SignInAs, project: Project):
    claimed = running(project)
    claims.fail(claimed, code="loss_not_finite", message="The loss became infinite.")
    page = sign_in_as("viewer").get(f"/projects/{project.slug}/runs/{claimed.run_id}").text
    assert "The loss became infinite." in page
    assert "lower learning rate" in page
    assert "Resume" not in page
    assert "Resume" in sign_in_as("engineer").get(f"/projects/{project.slug}/runs/{claimed.run_id}").text


def test_an_engineer_cancels_stops_and_resumes_and_a_reviewer_may_not(sign_in_as: SignInAs, project: Project):
    run_id = asked(project)
    here = f"/projects/{project.slug}/runs/{run_id}"
    assert sign_in_as("reviewer").post(f"{here}/cancel").status_code == 403
    engineer = sign_in_as("engineer")
    assert engineer.post(f"{here}/cancel").status_code == 303
    assert reread(run_id).state == RunState.CANCELLED
    assert engineer.post(f"{here}/cancel").status_code == 409
    assert engineer.post(f"{here}/resume").status_code == 303
    assert reread(run_id).state == RunState.QUEUED
    assert engineer.post(f"{here}/stop").status_code == 409
    assert claims.claim(run_id) is not None
    assert engineer.post(f"{here}/stop").status_code == 303
    assert reread(run_id).stop_requested_at is not None
    assert "the best so far is kept" in engineer.get(f"{here}/status").text


def test_the_stream_tells_every_change_and_ends_with_the_run(sign_in_as: SignInAs, project: Project):
    claimed = running(project)

    def work() -> None:
        time.sleep(0.7)
        claims.renew(claimed, Progress(3, 10, "Identifying", {"images_per_second": 12.5}))
        time.sleep(0.7)
        with write() as session:
            claims.complete(session, claimed, result={"images": 10})

    worker = threading.Thread(target=work)
    worker.start()
    answer = sign_in_as("viewer").get(f"/projects/{project.slug}/runs/{claimed.run_id}/events")
    worker.join()
    events = events_of(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in events][-1] == "end"
    told = [run for name, run in events if name == "run"]
    assert [run["state"] for run in told] == ["running", "running", "succeeded"]
    assert (told[1]["percent"], told[1]["note"], told[1]["live"]) == (30, "Identifying", {"images_per_second": 12.5})
    assert told[-1]["result"] == {"images": 10}


def test_a_stream_taken_up_again_starts_with_what_is_new(sign_in_as: SignInAs, project: Project):
    claimed = running(project)
    browser = sign_in_as("viewer")
    here = f"/projects/{project.slug}/runs/{claimed.run_id}/events"

    def end_soon() -> None:
        time.sleep(0.7)
        claims.mark_cancelled(claimed)

    worker = threading.Thread(target=end_soon)
    worker.start()
    mark = f"{reread(claimed.run_id).progress_version}.00"
    told = [run for name, run in events_of(browser.get(here, headers={"Last-Event-ID": mark}).text) if name == "run"]
    worker.join()
    assert [run["state"] for run in told] == ["cancelled"]


def test_the_stream_of_all_open_runs_ends_when_nothing_is_open(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("viewer")
    assert [name for name, _ in events_of(browser.get(f"/projects/{project.slug}/runs/events").text)] == ["end"]


@pytest.mark.parametrize("path", ["", "/status", "/events", "/training"])
def test_runs_of_other_projects_and_of_other_kinds_are_not_found(sign_in_as: SignInAs, project: Project, path: str):
    browser = sign_in_as("engineer")
    with write() as session:
        other = Project(slug="other", name="Other", created_at=reread(asked(project)).created_at)
        session.add(other)
        session.flush()
        foreign = request_run(session, project_id=other.id, kind="training.train", title="Elsewhere", parameters={})
    assert browser.get(f"/projects/{project.slug}/runs/{foreign}{path}").status_code == 404
    assert browser.get(f"/projects/{project.slug}/runs/999999{path}").status_code == 404


def test_the_api_gives_a_run_to_a_token_of_its_project(visitor: Browser, sign_in_as: SignInAs, project: Project):
    run_id = asked(project)
    token = make_api_token(user_id=sign_in_as("viewer").user_id, project_id=project.id)
    answer = visitor.get(f"/api/v1/projects/{project.slug}/runs/{run_id}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["state"]) == (run_id, "queued")
    with write() as session:
        session.execute(update(Run).values(state="failed", error_code="internal", error_message="Broken."))
    again = visitor.get(f"/api/v1/projects/{project.slug}/runs/{run_id}", headers={"Authorization": f"Bearer {token}"})
    assert again.json()["error_message"] == "Broken."
