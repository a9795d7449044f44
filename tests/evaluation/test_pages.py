"""The confusion page and the judged images, as people and hostile addresses reach them."""

from __future__ import annotations

import pytest

from app.core.database import write
from app.projects.models import Project
from tests.factories.datasets import make_images
from tests.factories.evaluation import answers, evaluated
from tests.factories.registry import TinyVersion, tiny_version
from tests.web_client import SignInAs

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def version(project: Project) -> TinyVersion:
    made = tiny_version(project.id, ["Apple", HOSTILE])
    apple, hostile = made.class_ids
    with write() as session:
        ids = make_images(session, project.id, 6, apple)
    evaluated(project.id, made, {"test": answers(ids[:4], apple, apple) + answers(ids[4:], apple, hostile, 0.6)})
    return made


def test_the_matrix_opens_its_images_and_escapes_names(sign_in_as: SignInAs, project: Project, version: TinyVersion):
    browser = sign_in_as("viewer")
    base = f"/projects/{project.slug}/models/{version.number}"
    page = browser.get(f"{base}/confusion?subset=test")
    assert page.status_code == 200
    apple, hostile = version.class_ids
    cell = f"{base}/images?true={apple}&amp;predicted={hostile}"
    assert cell in page.text
    assert HOSTILE not in page.text
    opened = browser.get(cell.replace("&amp;", "&"))
    assert opened.status_code == 200
    assert "2 images" in opened.text
    assert HOSTILE not in opened.text
    assert "data-selection-bar" not in opened.text


def test_many_classes_are_a_searchable_list_of_pairs(sign_in_as: SignInAs, project: Project):
    made = tiny_version(project.id, [f"Class {number:02}" for number in range(45)])
    with write() as session:
        ids = make_images(session, project.id, 3, made.class_ids[0])
    evaluated(project.id, made, {"test": answers(ids, made.class_ids[0], made.class_ids[7], 0.6)})
    browser, path = sign_in_as("viewer"), f"/projects/{project.slug}/models/{made.number}/confusion"
    page = browser.get(path)
    assert 'class="heat"' not in page.text
    assert "Class 07" in page.text
    assert "No confused pair has a class of such a name" in browser.get(f"{path}?q=Class+08").text


def test_whoever_may_label_can_mend_labels_in_the_grid(sign_in_as: SignInAs, project: Project, version: TinyVersion):
    page = sign_in_as("labeller").get(f"/projects/{project.slug}/models/{version.number}/images?show=wrong")
    assert 'data-for="judged"' in page.text
    assert page.text.count('data-version="0"') == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("99/confusion", 404),
        ("99/images", 404),
        ("1/confusion?subset=train", 404),
        ("1/confusion?subset=../x", 422),
        ("1/images?after=x", 422),
        ("1/images?show=maybe", 422),
        ("1/images?outcome=fixed", 422),
        ("1/images?against=99", 404),
        ("1/images?true=12345", 200),
        ("99999999999999999999/images", 404),
    ],
)
def test_addresses_that_name_nothing_are_refused_in_plain_words(
    sign_in_as: SignInAs, project: Project, version: TinyVersion, path: str, status: int
):
    assert version.number == 1
    assert sign_in_as("viewer").get(f"/projects/{project.slug}/models/{path}").status_code == status


def test_strangers_see_nothing(sign_in_as: SignInAs, project: Project, version: TinyVersion):
    browser = sign_in_as("stranger")
    for part in ("confusion", "images"):
        assert browser.get(f"/projects/{project.slug}/models/{version.number}/{part}").status_code == 404
