"""Pages of data sets and benchmark sets."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.datasets.models import BenchmarkImage, BenchmarkSet, Snapshot
from app.library.models import Image
from app.projects.models import Project
from tests.factories.datasets import make_class, make_images, make_sub_class
from tests.web_client import SignInAs


@pytest.fixture
def here(project: Project) -> str:
    """The address of a project with apples (60, 10 of them staged, two sub-classes), pears (31) and six in the pool."""
    with write() as session:
        apple, pear = make_class(session, project.id, "Apple"), make_class(session, project.id, "<b>Pear</b>")
        red, green = make_sub_class(session, apple, "red"), make_sub_class(session, apple, "green")
        make_images(session, project.id, 30, apple, sub_class_id=red)
        make_images(session, project.id, 20, apple, sub_class_id=green)
        make_images(session, project.id, 10, apple, origin="staged")
        make_images(session, project.id, 31, pear)
        make_images(session, project.id, 3, pear, quality="blurred")
        make_images(session, project.id, 6)
    return f"/projects/{project.slug}"


def test_the_preview_follows_the_cutoffs(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("viewer")
    page = browser.get(f"{here}/datasets").text
    assert "needs 9 more" in page
    assert "&lt;b&gt;Pear&lt;/b&gt;" in page
    assert "<b>Pear</b>" not in page
    assert "Freeze" not in page
    lower = browser.get(f"{here}/datasets/preview?lower=30&upper=40").text
    assert "<html" not in lower
    assert " more</" not in lower
    assert "needs 9" not in lower
    assert "sampled down" in lower
    assert "Apple / red" in lower
    assert "below the good image standard" in lower
    totals = browser.get(f"{here}/datasets/totals?lower=30&upper=100").text
    assert "2 classes, 91 images" in totals
    assert browser.get(f"{here}/datasets/preview?lower=50&upper=40").status_code == 422
    assert browser.get(f"{here}/datasets/preview?lower=many").status_code == 422


def test_an_engineer_freezes_and_the_snapshot_shows_what_it_took(sign_in_as: SignInAs, here: str):
    assert sign_in_as("reviewer").post(f"{here}/datasets", data={"lower": "40"}).status_code == 403
    browser = sign_in_as("engineer")
    answer = browser.post(f"{here}/datasets", data={"lower": "40", "upper": "50"})
    assert answer.status_code == 303
    again = browser.post(f"{here}/datasets", data={"lower": "40", "upper": "50"})
    assert again.headers["location"] == answer.headers["location"]
    page = browser.get(answer.headers["location"]).text
    for words in ("70.0% obtained, 70% asked for", "Apple / green", "needs 9 more", "Train with these cutoffs"):
        assert words in page
    with read() as session:
        snapshot = session.scalars(select(Snapshot)).one()
        assert (snapshot.created_by, snapshot.images) == (browser.user_id, 50)
    assert f"Snapshot {snapshot.id}" in browser.get(f"{here}/datasets").text
    assert browser.get(f"{here}/datasets/999").status_code == 404
    assert browser.post(f"{here}/datasets", data={"lower": "90", "upper": "95"}).status_code == 422


def test_a_reviewer_puts_chosen_images_into_a_set(sign_in_as: SignInAs, here: str):
    with read() as session:
        apples = session.scalars(select(Image.id).where(Image.class_id.is_not(None)).limit(4)).all()
        pool = session.scalars(select(Image.id).where(Image.state == "pool")).all()
    browser = sign_in_as("reviewer")
    assert "No benchmark set yet" in browser.get(f"{here}/benchmarks").text
    made = browser.post(f"{here}/benchmarks", json={"name": "Field", "image_ids": apples})
    assert made.status_code == 200
    more = browser.post(
        f"{here}/benchmarks",
        json={"set_id": made.json()["set_id"], "selection": {"filter": "state=pool"}, "truth": "none"},
    ).json()
    assert (more["name"], more["version"]) == ("Field", 2)
    page = browser.get(more["url"]).text
    assert page.count("none of the classes") >= 6
    assert "Field" in browser.get(f"{here}/benchmarks").text
    assert "Field (10 images)" in browser.get(f"{here}/benchmarks/choice").text
    with read() as session:
        assert len(session.scalars(select(Image.id).where(Image.in_benchmark)).all()) == 10
    refused = browser.post(f"{here}/benchmarks", json={"name": "Pool", "image_ids": pool[:1] + pool[:1] + [10**9]})
    assert refused.status_code == 404
    unnamed = browser.post(f"{here}/benchmarks", json={"name": "Pool", "image_ids": pool, "truth": "class"})
    assert unnamed.status_code == 422
    with read() as session:
        assert len(session.scalars(select(BenchmarkSet.id)).all()) == 2
        assert len(session.scalars(select(BenchmarkImage.image_id)).all()) == 14


def test_a_labeller_may_look_at_sets_and_not_make_any(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("labeller")
    assert browser.get(f"{here}/benchmarks").status_code == 200
    assert browser.post(f"{here}/benchmarks", json={"name": "Field", "image_ids": [1]}).status_code == 403
    assert browser.get(f"{here}/benchmarks/choice").status_code == 403
    assert browser.get(f"{here}/benchmarks/5").status_code == 404
