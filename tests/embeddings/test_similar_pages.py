"""Images like a selection, as a page: nearest first, narrowed by filters, never the examples themselves."""

from __future__ import annotations

import re

import pytest

from app.core.database import write
from app.embeddings.work import embed_missing
from app.library.service import change_images
from app.projects.models import Project
from app.registry.artifacts import load_version
from tests.factories.predictions import photo_images
from tests.factories.registry import tiny_version
from tests.web_client import SignInAs


def shown(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'class="cell"[^>]*data-id="(\d+)"', page)]


def test_images_like_several_are_found_without_them(sign_in_as: SignInAs, project: Project):
    ids = photo_images(project.id, 6)
    browser = sign_in_as("labeller")
    address = f"/projects/{project.slug}/similar?ids={ids[0]},{ids[1]}"
    assert "reference trunk" in browser.get(address).text
    version = tiny_version(project.id, ["Apple", "Pear"])
    assert "no embedding by the reference trunk yet" in browser.get(address).text
    embed_missing(load_version(version.id).trunk, ids)
    assert sorted(shown(browser.get(address).text)) == ids[2:]
    with write() as session:
        change_images(session, ids[2:4], project_id=project.id, state="unknown")
    assert sorted(shown(browser.get(f"{address}&state=unknown").text)) == ids[2:4]
    assert "No similar image matches" in browser.get(f"{address}&state=none").text


@pytest.mark.parametrize("ids", ["", "x", "1;2", "1,,2", ",".join(map(str, range(1, 110)))])
def test_what_are_no_ids_is_refused(sign_in_as: SignInAs, project: Project, ids: str):
    answer = sign_in_as("viewer").get(f"/projects/{project.slug}/similar?ids={ids}")
    assert answer.status_code == 422


def test_examples_of_another_project_are_not_found(sign_in_as: SignInAs, project: Project):
    assert sign_in_as("viewer").get(f"/projects/{project.slug}/similar?ids=77").status_code == 404


def test_the_map_page_says_what_is_missing_and_only_an_engineer_draws(sign_in_as: SignInAs, project: Project):
    assert "reference trunk" in sign_in_as("viewer").get(f"/projects/{project.slug}/map").text
    tiny_version(project.id, ["Apple", "Pear"])
    page = sign_in_as("viewer").get(f"/projects/{project.slug}/map").text
    assert "An engineer of this project can have it drawn" in page
    assert sign_in_as("reviewer").post(f"/projects/{project.slug}/map").status_code == 403
    assert sign_in_as("engineer").post(f"/projects/{project.slug}/map").status_code == 303
    assert "The map is being drawn" in sign_in_as("viewer").get(f"/projects/{project.slug}/map").text
    assert sign_in_as("viewer").get(f"/projects/{project.slug}/map/5/points").status_code == 404
