"""Hidden checks: benchmark images among the queue that a labeller cannot tell from the rest, and what they measure."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.datasets.benchmarks import make_benchmark_set
from app.labelling.check_figures import figures
from app.labelling.classes import create_class
from app.labelling.models import LabelEvent, QualityCheck
from app.labelling.veil import FIRST, Veil
from app.projects.models import Project
from tests.factories import labelling as make
from tests.web_client import Browser, SignInAs


@pytest.fixture
def classes(project: Project) -> dict[str, int]:
    """Two classes, a benchmark set of three herons, six images in the pool, and half of what is shown a check."""
    with write() as session:
        made = {name: create_class(session, project_id=project.id, name=name).id for name in ("Heron", "Egret")}
        settled = make.images(session, project.id, 3, state="labelled", class_id=made["Heron"], label_version=4)
        make_benchmark_set(session, project_id=project.id, name="Field", image_ids=settled)
        make.images(session, project.id, 6, start=10)
        session.get_one(Project, project.id).check_percent = 50
    return made


def shown(browser: Browser, project: Project) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = browser.post(f"/projects/{project.slug}/label/next", json={"count": 6}).json()[
        "images"
    ]
    return images


def with_checks(browser: Browser, project: Project) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """What the screen shows once it holds a check, and the number of each check by the image it is."""
    veil = Veil(project_id=project.id, user_id=browser.user_id, is_on=True)
    while True:
        images = shown(browser, project)
        with read() as session:
            checks = session.scalars(select(QualityCheck.image_id).where(QualityCheck.user_id == browser.user_id)).all()
        if found := {veil.shown(each): each for each in checks} and {
            image["id"]: veil.real(image["id"]) for image in images if veil.real(image["id"]) in checks
        }:
            return images, found


def act(browser: Browser, project: Project, number: int, **more: Any) -> Any:
    body = {"image_ids": [number], "act": "label", "versions": {str(number): 0}, **more}
    return browser.post(f"/projects/{project.slug}/labels", json=body).json()


def test_a_check_looks_and_answers_like_any_other_image(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann = sign_in_as("labeller")
    images, checks = with_checks(ann, project)
    assert all(FIRST <= image["id"] < 2 * FIRST for image in images)
    check = next(image for image in images if image["id"] in checks)
    other = next(image for image in images if image["id"] not in checks)
    same = ("version", "state", "quality", "small", "chosen_by", "notes", "suggestions", "turn")
    assert {name: check[name] for name in same} == {name: other[name] for name in same}
    assert check.keys() == other.keys()
    assert check["picture"] == f"/projects/{project.slug}/label/pictures/{check['id']}"
    said = [
        act(ann, project, each["id"], class_id=classes["Egret"], request_key=f"key-{place:05}")
        for place, each in enumerate((check, other))
    ]
    for answer, each in zip(said, (check, other), strict=True):
        assert (answer["changed"], answer["skipped"], answer["versions"]) == (1, [], {str(each["id"]): 1})
    assert said[0].keys() == said[1].keys()
    assert act(ann, project, check["id"], class_id=classes["Egret"], request_key="key-00000") == said[0]
    again = ann.post(f"/projects/{project.slug}/label/next", json={"count": 0, "begins": True}).json()
    assert [each["image_id"] for each in again["earlier"]] == [check["id"], other["id"]]
    assert [(each["id"], each["state"], each["version"]) for each in again["answered"]] == [
        (check["id"], "labelled", 1),
        (other["id"], "labelled", 1),
    ]
    assert again["today"] == 2


def test_an_answer_changes_no_label_and_counts_for_the_labeller(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann, rita, base = sign_in_as("labeller"), sign_in_as("reviewer"), f"/projects/{project.slug}"
    _, checks = with_checks(ann, project)
    number, image_id = next(iter(checks.items()))
    act(ann, project, number, class_id=classes["Egret"])
    with read() as session:
        image = make.image(session, image_id)
        assert (image.class_id, image.label_version) == (classes["Heron"], 4)
        assert session.scalar(select(func.count()).select_from(LabelEvent)) == 0
        (found,) = figures(session, project.id)
        assert (found.user_id, found.share.hits, found.share.total) == (ann.user_id, 0, 1)
    act(ann, project, number, class_id=classes["Heron"], versions={str(number): 1})
    with read() as session:
        assert figures(session, project.id)[0].share.hits == 1
    assert "Labelled Egret" in ann.get(f"{base}/history?by=mine").text
    assert ann.get(f"{base}/review/checks").status_code == 403
    assert "Hidden checks right" not in ann.get(f"{base}/people/{ann.user_id}").text
    assert "Hidden checks right" in rita.get(f"{base}/people/{ann.user_id}").text
    assert "100%" in rita.get(f"{base}/review/checks").text


def test_an_answer_is_taken_back_and_given_again_as_any_other(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann, base = sign_in_as("labeller"), f"/projects/{project.slug}"
    _, checks = with_checks(ann, project)
    number = next(iter(checks))
    done = act(ann, project, number, class_id=classes["Heron"])
    for times, (key, hits) in enumerate((("undo-0001", []), ("undo-0002", [1])), start=2):
        sent = {"action_id": done["action_id"], "request_key": key}
        done = ann.post(f"{base}/label/undo", json=sent).json()
        assert (done["changed"], done["versions"]) == (1, {str(number): times})
        with read() as session:
            assert [each.share.hits for each in figures(session, project.id)] == hits


def test_skipped_or_called_unknown_it_is_left_open_and_not_shown_again(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann, base = sign_in_as("labeller"), f"/projects/{project.slug}"
    _, checks = with_checks(ann, project)
    number, image_id = next(iter(checks.items()))
    assert ann.post(f"{base}/label/skip", json={"image_ids": [number]}).status_code == 200
    with read() as session:
        assert (figures(session, project.id)[0].share.total, figures(session, project.id)[0].left_open) == (0, 1)
    veil = Veil(project_id=project.id, user_id=ann.user_id, is_on=True)
    assert image_id not in [veil.real(image["id"]) for _ in range(3) for image in shown(ann, project)]
    assert classes


def test_numbers_are_another_permutation_for_each_labeller():
    one, other = (Veil(project_id=1, user_id=user, is_on=True) for user in (1, 2))
    numbers = [one.shown(image_id) for image_id in range(1, 2000)]
    assert len(set(numbers)) == len(numbers)
    assert [one.real(number) for number in numbers] == list(range(1, 2000))
    assert not {other.shown(image_id) for image_id in range(1, 2000)} & set(numbers)
    assert sorted(numbers) != numbers
    assert one.real(7) == 7


def test_no_page_of_the_labeller_tells_a_check_from_the_rest(
    sign_in_as: SignInAs, project: Project, classes: dict[str, int]
):
    ann, rita, base = sign_in_as("labeller"), sign_in_as("reviewer"), f"/projects/{project.slug}"
    images, checks = with_checks(ann, project)
    assert not [each for each in images if "photo" in each["name"]]
    check, other = (next(each["id"] for each in images if (each["id"] in checks) is wanted) for wanted in (True, False))
    told = []
    for number in (check, other):
        act(ann, project, number, class_id=classes["Egret"])
        waiting = ann.post(f"{base}/label/next", json={"count": 0}).json()["waiting"]
        page = ann.get(f"{base}/label").text
        told.append((waiting, re.findall(r'id="waiting">([^<]*)<', page)))
    assert told[0] == told[1] == (10, ["10 waiting"])
    history, own = (ann.get(f"{base}/{where}").text for where in ("history?by=mine", f"people/{ann.user_id}"))
    for text in (history, own):
        assert text.count("Labelled Egret") == 2
        assert "action_id=" not in text
    assert rita.get(f"{base}/history").text.count("action_id=") == 2
    summary = re.sub(r"<[^>]+>|\s+", " ", ann.get(f"{base}/label/summary").text)
    assert re.search(r"Egret +2 ", summary)
    assert "accepted" not in summary
