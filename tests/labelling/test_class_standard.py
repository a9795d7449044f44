"""The labelling standard: examples and look-alikes put in and taken out, and the fragment that labellers see."""

from __future__ import annotations

import pytest

from app.core.database import write
from app.labelling.classes import create_class
from app.projects.models import Project
from tests.factories import labelling as make
from tests.web_client import SignInAs


@pytest.fixture
def birds(project: Project) -> tuple[int, int]:
    with write() as session:
        heron, egret = (
            create_class(session, project_id=project.id, name=name, note=f"A {name}") for name in ("Heron", "Egret")
        )
        return heron.id, egret.id


def test_a_standard_shows_its_note_examples_and_look_alikes(
    sign_in_as: SignInAs, project: Project, birds: tuple[int, int]
):
    heron, egret = birds
    base = f"/projects/{project.slug}/classes"
    reviewer, labeller = sign_in_as("reviewer"), sign_in_as("labeller")
    with write() as session:
        good, bad, removed = make.images(session, project.id, 3)
        make.image(session, removed).state = "removed"
    assert "A Heron" in labeller.get(f"{base}/{heron}/standard").text
    sent = {"images": f"{good}", "kind": "good", "note": "In flight"}
    assert labeller.post(f"{base}/{heron}/examples", data=sent).status_code == 403
    assert reviewer.post(f"{base}/{heron}/examples", data=sent).status_code == 303
    reviewer.post(f"{base}/{heron}/examples", data={"images": f"{bad}", "kind": "bad", "note": "A statue"})
    for wrong in (f"{removed}", f"{bad + 999}"):
        assert reviewer.post(f"{base}/{heron}/examples", data={"images": wrong}).status_code == 404
    assert reviewer.post(f"{base}/{heron}/examples", data={"images": "1; 2"}).status_code == 422
    reviewer.post(f"{base}/{egret}/look-alikes", data={"other_id": heron, "note": "Egrets are white"})
    assert reviewer.post(f"{base}/{egret}/look-alikes", data={"other_id": egret}).status_code == 422
    shown = labeller.get(f"{base}/{heron}/standard").text
    for words in ("A Heron", "In flight", "A statue", "Egrets are white", f"/images/{good}/thumbnail"):
        assert words in shown
    assert "<!DOCTYPE" not in shown
    assert "Egrets are white" in labeller.get(f"{base}/{egret}/standard").text
    reviewer.post(f"{base}/{heron}/examples/{bad}/remove")
    reviewer.post(f"{base}/{heron}/look-alikes/{egret}/remove")
    shown = labeller.get(f"{base}/{heron}/standard").text
    assert "A statue" not in shown
    assert "Egrets are white" not in shown
    assert reviewer.get(f"{base}/{heron}").status_code == 200
