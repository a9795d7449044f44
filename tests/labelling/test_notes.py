"""Notes on images: kept for good, once, shown as text."""

from __future__ import annotations

from app.core.database import read, write
from app.labelling.notes import notes_on
from app.projects.models import Project
from tests.factories import labelling as make
from tests.web_client import SignInAs

HOSTILE = "<img src=x onerror=alert(1)> look again"


def test_a_note_is_kept_once_and_shown_as_text_with_the_history_and_on_the_screen(
    sign_in_as: SignInAs, project: Project
):
    browser = sign_in_as("labeller")
    with write() as session:
        (image_id,) = make.images(session, project.id, 1)
    path = f"/projects/{project.slug}/images/{image_id}"
    sent = {"text": f"  {HOSTILE} ", "request_key": "tab-1:00000001"}
    answers = [browser.post(f"{path}/notes", json=sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert browser.post(f"{path}/notes", json={"text": "later"}).status_code == 201
    with read() as session:
        assert [note.text for note in notes_on(session, project.id, [image_id])[image_id]] == ["later", HOSTILE]
    history = browser.get(f"{path}/history").text
    assert "look again" in history
    assert "<img src=x" not in history
    (shown,) = browser.post(f"/projects/{project.slug}/label/next", json={}).json()["images"]
    assert [note["text"] for note in shown["notes"]] == ["later", HOSTILE]


def test_an_empty_or_endless_note_and_one_on_another_projects_image_are_refused(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("labeller")
    with write() as session:
        (own,) = make.images(session, project.id, 1)
        (other,) = make.images(session, make.project(session, "Other"), 1)
    base = f"/projects/{project.slug}/images"
    for text in ("", "   ", "x" * 2001):
        assert browser.post(f"{base}/{own}/notes", json={"text": text}).status_code == 422
    assert browser.post(f"{base}/{other}/notes", json={"text": "hello"}).status_code == 404
