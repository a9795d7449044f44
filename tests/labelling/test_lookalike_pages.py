"""The page of look-alikes, the next one as JSON and the answer to it, by role."""

from __future__ import annotations

from http import HTTPStatus

import numpy as np
import pytest

from app.core.database import read, write
from app.embeddings.store import add
from app.library.models import Image
from app.projects.models import Project
from app.registry.queries import get_trunk
from tests.factories.labelling import images
from tests.factories.registry import deploy, make_classes, tiny_version
from tests.inference.networks import WIDTH
from tests.web_client import SignInAs


@pytest.fixture
def base(project: Project) -> str:
    """A project whose version in production names twelve embedded images; nothing is labelled."""
    version = tiny_version(project.id, ["Apple", "Pear"])
    deploy(project.id, version.id)
    with write() as session:
        trunk = get_trunk(session, version.trunk_id)
        ids = images(session, project.id, 12)
    add(trunk, [(image_id, 0) for image_id in ids], np.random.default_rng(0).random((12, WIDTH), np.float32))
    return f"/projects/{project.slug}"


def test_the_page_is_for_labellers_and_says_among_what_it_looks(
    base: str, project: Project, sign_in_as: SignInAs
) -> None:
    with write() as session:
        [apple, _] = make_classes(session, project.id, ["Apple", "Pear"])
    browser = sign_in_as("labeller")
    assert "Fill each page" not in browser.get(f"{base}/label/grid").text
    assert "Predicted Apple" in browser.get(f"{base}/label/grid?class_id={apple}&one=true").text
    assert "Cluster 3" in browser.get(f"{base}/label/grid?cluster=3").text
    assert browser.get(f"{base}/label/grid?like=999").status_code == HTTPStatus.NOT_FOUND
    assert sign_in_as("viewer").get(f"{base}/label/grid").status_code == HTTPStatus.FORBIDDEN


def test_a_page_is_answered_and_undone(base: str, project: Project, sign_in_as: SignInAs) -> None:
    browser = sign_in_as("labeller")
    with write() as session:
        [apple, pear] = make_classes(session, project.id, ["Apple", "Pear"])
    page = browser.post(f"{base}/label/grid/next", json={}).json()
    [section] = page["sections"]
    assert (section["class_id"], len(section["images"]), page["waiting"], page["today"]) == (None, 12, 12, 0)
    shown = section["images"]
    stays = [{"id": one["id"], "version": one["version"], "confidence": 0.5} for one in shown[:10]]
    sent = {
        "sections": [{"class_id": apple, "images": stays}],
        "taken_out": [{"image_id": one["id"], "class_id": pear} for one in shown[10:]],
        "version_id": page["version_id"],
        "request_key": "a-page-answer",
    }
    assert browser.post(f"{base}/label/grid/accept", json=sent).json()["changed"] == 10
    later = browser.post(f"{base}/label/grid/next", json={}).json()
    assert [(one["class_id"], one["name"], len(one["images"])) for one in later["sections"]] == [(apple, "Apple", 2)]
    assert (later["waiting"], later["today"]) == (2, 10)
    undo = {"action_key": "a-page-answer", "request_key": "undo-of-it"}
    assert browser.post(f"{base}/label/undo", json=undo).json()["changed"] == 10
    with read() as session:
        assert session.get_one(Image, shown[0]["id"]).state == "pool"


@pytest.mark.parametrize(
    "wrong",
    [
        {"sections": [], "taken_out": []},
        {"sections": [{"class_id": 1, "images": []}]},
        {"sections": [{"class_id": 1, "images": [{"id": 1, "version": 0}, {"id": 1, "version": 0}]}]},
        {"taken_out": [{"image_id": 1, "class_id": 10**6}]},
    ],
)
def test_what_is_no_answer_is_refused(base: str, sign_in_as: SignInAs, wrong: dict[str, object]) -> None:
    answer = sign_in_as("labeller").post(f"{base}/label/grid/accept", json={"request_key": "some-key-1", **wrong})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
