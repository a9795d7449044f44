"""Home and reports over HTTP: what an empty project shows, figures of a full one, tables as CSV safe to open."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from app.core.clock import now
from app.core.database import write
from app.projects.models import Project
from app.reports.figures import TABLES
from app.runs.service import request_run
from app.serving.service import grade
from tests.factories.accounts import make_user
from tests.factories.predictions import photo_images
from tests.factories.registry import make_classes
from tests.factories.serving import Production, in_production, make_transaction
from tests.web_client import SignInAs


@pytest.fixture
def serving(project: Project) -> Production:
    """A version in production with two requests of today, one of them graded, and one of two months ago."""
    made = in_production(project.id)
    with write() as session:
        user_id = make_user(session).id
        first = make_transaction(session, project.id, made, client='=HYPERLINK("http://x")', latency_ms=12.0)
        make_transaction(session, project.id, made, decision="unable", confidence=0.2, latency_ms=30.0)
        make_transaction(session, project.id, made, at=now() - timedelta(days=60))
        grade(session, project_id=project.id, transaction_id=first, user_id=user_id, verdict="correct")
    return made


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_an_empty_project_shows_the_way_to_the_first_answer(sign_in_as: SignInAs, project: Project):
    page = sign_in_as("engineer").get(f"/projects/{project.slug}").text
    assert "The library is empty" in page
    assert f'href="/projects/{project.slug}/imports/new"' in page
    assert "The way to the first answer" in page
    viewer = sign_in_as("viewer").get(f"/projects/{project.slug}").text
    assert "Nothing waits for you here" in viewer
    assert "needs the role engineer" in viewer
    assert "Nothing has served yet" in sign_in_as("viewer").get(f"/projects/{project.slug}/reports").text


def test_home_shows_the_loop_pictures_runs_and_what_lacks(sign_in_as: SignInAs, project: Project):
    with write() as session:
        apple, _ = make_classes(session, project.id, ["Apple", "<b>Pear</b>"])
        request_run(session, project_id=project.id, kind="library.import", title="Import of crates", parameters={})
    photo_images(project.id, 3, state="labelled", class_id=apple)
    page = sign_in_as("labeller").get(f"/projects/{project.slug}").text
    for words in ("Import of crates", "3 of 40", "37 more needed", "&lt;b&gt;Pear&lt;/b&gt;", "/thumbnail?r=0"):
        assert words in page
    assert "<b>Pear" not in page
    for word in ("Import", "Snapshot", "Benchmark", "Identify"):
        assert f'<span class="loop-word">{word}</span>' in page


def test_the_report_counts_its_period(sign_in_as: SignInAs, project: Project, serving: Production):
    viewer = sign_in_as("viewer")
    path = f"/projects/{project.slug}/reports"
    page = viewer.get(path).text
    for words in ("1 graded answer", "12.0", "v1", "100%"):
        assert words in page
    days = rows_of(viewer.get(f"{path}/days.csv").text)
    assert (len(days), sum(int(row[1]) for row in days[1:])) == (31, 2)
    start = (now() - timedelta(days=70)).date().isoformat()
    wider = rows_of(viewer.get(f"{path}/days.csv", params={"from": start}).text)
    assert sum(int(row[1]) for row in wider[1:]) == 3
    other = viewer.get(path, params={"version": serving.version.number + 1})
    assert other.status_code == 200
    assert "No request came in this period" in other.text


def test_every_table_leaves_as_csv_and_no_cell_is_a_formula(
    sign_in_as: SignInAs,
    project: Project,
    serving: Production,  # noqa: ARG001 - there is something to show
):
    viewer = sign_in_as("viewer")
    for name in TABLES:
        answer = viewer.get(f"/projects/{project.slug}/reports/{name}.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        assert f"-{name}-" in answer.headers["content-disposition"]
        rows = rows_of(answer.text)
        assert len(rows) > 1
        assert {len(row) for row in rows} == {len(rows[0])}
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    clients = rows_of(viewer.get(f"/projects/{project.slug}/reports/clients.csv").text)
    assert '\'=HYPERLINK("http://x")' in {row[0] for row in clients}
    assert viewer.get(f"/projects/{project.slug}/reports/passwords.csv").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-02-01", "to": "2026-01-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"from": "yesterday"},
        {"version": "none"},
        {"to": "0001-01-01"},
        {"from": "9999-12-31"},
    ],
)
def test_a_period_that_makes_no_sense_is_refused(
    sign_in_as: SignInAs,
    project: Project,
    serving: Production,  # noqa: ARG001 - there is something to show
    query: dict[str, str],
):
    assert sign_in_as("viewer").get(f"/projects/{project.slug}/reports", params=query).status_code == 422
