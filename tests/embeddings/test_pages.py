"""An image's page shows its nearest images once there are embeddings, and says what is missing until then."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.core.database import read
from app.embeddings.work import embed_missing
from app.projects.models import Project
from app.registry.artifacts import load_version
from app.runs.models import Run
from tests.factories.predictions import photo_images
from tests.factories.registry import deploy, tiny_version
from tests.web_client import SignInAs


def test_nearest_images_are_linked_with_their_similarity(sign_in_as: SignInAs, project: Project):
    ids = photo_images(project.id, 5)
    browser = sign_in_as("viewer")
    address = f"/projects/{project.slug}/images/{ids[0]}/neighbours"
    assert "no reference trunk yet" in browser.get(address).text
    version = tiny_version(project.id, ["Apple", "Pear"])
    assert "no embedding by the reference trunk yet" in browser.get(address).text
    embed_missing(load_version(version.id).trunk, ids)
    page = browser.get(address).text
    linked = [int(found) for found in re.findall(rf'href="/projects/{project.slug}/images/(\d+)"', page)]
    assert sorted(linked) == ids[1:]
    shares = [float(found) for found in re.findall(r'<span class="num">([\d.]+)</span>', page)]
    assert shares == sorted(shares, reverse=True)
    assert browser.get(f"{address}?k=2").text.count("<img") == 2


@pytest.mark.parametrize("part", ["neighbours", "predictions"])
def test_an_image_of_another_project_is_not_found(sign_in_as: SignInAs, project: Project, part: str):
    browser = sign_in_as("viewer")
    assert browser.get(f"/projects/{project.slug}/images/77/{part}").status_code == 404


def test_an_engineer_asks_for_the_library_to_be_embedded_once(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("engineer")
    for _ in range(2):
        assert browser.post(f"/projects/{project.slug}/embeddings").status_code == 303
    with read() as session:
        assert session.scalars(select(Run.kind)).all() == ["embeddings.embed"]
    assert sign_in_as("labeller").post(f"/projects/{project.slug}/embeddings").status_code == 403


def test_predictions_show_what_production_says_on_the_spot(sign_in_as: SignInAs, project: Project):
    ids = photo_images(project.id, 1)
    browser = sign_in_as("viewer")
    address = f"/projects/{project.slug}/images/{ids[0]}/predictions"
    assert "No model version has scored this image yet" in browser.get(address).text
    version = tiny_version(project.id, ["Apple", "Pear"])
    deploy(project.id, version.id)
    embed_missing(load_version(version.id).trunk, ids)
    page = browser.get(address).text
    assert "v1, in production" in page
    assert {"Apple", "Pear"} <= set(re.findall(r'<th scope="row">(\w+)</th>', page))
