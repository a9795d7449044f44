"""Relabelling by page: a file sent, its preview, apply, and who may."""

from __future__ import annotations

import csv
import io

import pytest

from app.core.database import write
from app.exchange.comparing import compare
from app.exchange.relabelling import relabel
from app.library.models import Image
from app.projects.models import Project
from tests.exchange.stock import export_now, file_of
from tests.factories.library import add_images
from tests.web_client import Browser, SignInAs
from worker.execution import execute_run


@pytest.fixture
def base(project: Project) -> str:
    with write() as session:
        add_images(session, project.id, 3)
    return f"/projects/{project.slug}/relabel"


def table(project: Project) -> bytes:
    rows = list(csv.DictReader(io.StringIO(file_of(export_now(project.id, pictures="none")).read_text())))
    rows[0]["class"] = "<script>alert(1)</script>"
    target = io.StringIO()
    writer = csv.DictWriter(target, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue().encode()


def send(browser: Browser, base: str, content: bytes, name: str = "labels.csv") -> str:
    answer = browser.post(base, files={"file": (name, content, "text/csv")})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_a_sent_table_is_compared_shown_and_applied(base: str, project: Project, sign_in_as: SignInAs):
    browser = sign_in_as("engineer")
    address = send(browser, base, table(project))
    run_id = int(address.rsplit("/", 1)[-1])
    assert "data-run-events" in browser.get(address).text
    execute_run(run_id, compare)
    page = browser.get(address).text
    assert "1 image changes" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "labels.csv" in browser.get(base).text

    assert browser.post(f"{address}/apply", data={"make_classes": "true"}).status_code == 303
    assert browser.post(f"{address}/apply", data={"make_classes": "true"}).status_code == 409
    execute_run(run_id + 1, relabel)
    page = browser.get(address).text
    assert "1 image relabelled" in page
    undo = page.split('/undo"')[0].rsplit('"', 1)[-1] + "/undo"
    assert browser.post(undo).status_code == 303
    assert "undone" in browser.get(address).text
    with write() as session:
        assert {image.state for image in session.query(Image)} == {"pool"}


@pytest.mark.parametrize(
    "files",
    [{}, {"file": ("", b"")}, {"file": ("../../x.csv", b"file\n")}],
)
def test_what_is_no_file_is_refused_with_the_rule(files: dict[str, tuple[str, bytes]], base: str, sign_in_as: SignInAs):
    browser = sign_in_as("engineer")
    answer = browser.post(base, files=files) if files else browser.post(base, data={"file": "x"})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_a_table_that_cannot_be_read_says_why(base: str, sign_in_as: SignInAs):
    browser = sign_in_as("engineer")
    for content in (b"\xff\xfe", b"colour\nred\n", b'file,class\n"a.jpg'):
        address = send(browser, base, content)
        execute_run(int(address.rsplit("/", 1)[-1]), compare)
        assert "CSV file" in browser.get(address).text.split('role="alert"')[1]


def test_relabelling_is_for_engineers_of_the_project(base: str, project: Project, sign_in_as: SignInAs):
    address = send(sign_in_as("engineer"), base, table(project))
    for role, status in (("reviewer", 403), ("stranger", 404)):
        browser = sign_in_as(role)
        assert browser.get(base).status_code == status
        assert browser.get(address).status_code == status
        assert browser.post(f"{address}/apply").status_code == status
        assert browser.post(base, files={"file": ("a.csv", b"file\n")}).status_code == status
