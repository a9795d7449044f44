"""Transactions and grading over HTTP: who may, what is listed, what the scripts get."""

from __future__ import annotations

import pytest

from app.core.database import read, write
from app.projects.models import Project
from app.serving.models import Grade, Transaction
from tests.factories.predictions import photo_images
from tests.factories.serving import Production, in_production, make_transaction
from tests.web_client import SignInAs


@pytest.fixture
def serving(project: Project) -> Production:
    return in_production(project.id)


def requests_of(project: Project, serving: Production, *decisions: str, with_image: bool = True) -> list[str]:
    image_ids = photo_images(project.id, len(decisions)) if with_image else [None] * len(decisions)
    with write() as session:
        return [
            make_transaction(session, project.id, serving, decision=decision, image_id=image_id)
            for decision, image_id in zip(decisions, image_ids, strict=True)
        ]


def test_transactions_are_listed_with_picture_answer_and_grade(
    sign_in_as: SignInAs, project: Project, serving: Production
):
    first, second = requests_of(project, serving, "answered", "unable")
    reviewer = sign_in_as("reviewer")
    graded = {"transaction_id": first, "verdict": "wrong", "true_class_id": serving.version.class_ids[2]}
    assert reviewer.post(f"/projects/{project.slug}/grades", json=graded).status_code == 200
    page = sign_in_as("viewer").get(f"/projects/{project.slug}/transactions")
    assert page.status_code == 200
    assert page.text.index(second) < page.text.index(first)
    for words in ("Apple", "is Plum", "wrong", "unable", "/thumbnail?r=0", "shop till"):
        assert words in page.text


def test_filters_stay_in_the_address_and_can_be_removed(sign_in_as: SignInAs, project: Project, serving: Production):
    requests_of(project, serving, "answered", "unable", with_image=False)
    viewer = sign_in_as("viewer")
    path = f"/projects/{project.slug}/transactions"
    page = viewer.get(path, params={"decision": "unable", "client": "shop till"}).text
    assert page.count("not kept") == 1
    assert f"{path}?client=shop+till" in page
    assert "No such transactions" in viewer.get(path, params={"version": "99"}).text
    assert viewer.get(path, params={"decision": "maybe"}).status_code == 422
    assert viewer.get(path, params={"before": "x"}).status_code == 422


def test_a_project_that_serves_nothing_says_what_to_do(sign_in_as: SignInAs, project: Project):
    viewer = sign_in_as("viewer")
    assert "Nothing serves yet" in viewer.get(f"/projects/{project.slug}/transactions").text
    in_production(project.id)
    assert "curl" in viewer.get(f"/projects/{project.slug}/transactions").text
    assert "No answer to grade yet" in sign_in_as("reviewer").get(f"/projects/{project.slug}/grade").text


@pytest.mark.parametrize(("role", "allowed"), [("viewer", False), ("labeller", False), ("reviewer", True)])
def test_reviewers_grade_and_others_do_not(
    sign_in_as: SignInAs, project: Project, serving: Production, role: str, allowed: bool
):
    (transaction_id,) = requests_of(project, serving, "answered")
    browser = sign_in_as(role)
    assert (browser.get(f"/projects/{project.slug}/grade").status_code == 200) is allowed
    graded = {"transaction_id": transaction_id, "verdict": "correct"}
    answer = browser.post(f"/projects/{project.slug}/grades", json=graded)
    assert (answer.status_code == 200) is allowed
    with read() as session:
        assert (session.get_one(Transaction, transaction_id).graded_at is not None) is allowed


def test_a_grade_is_refused_in_words_that_a_script_can_show(
    sign_in_as: SignInAs, project: Project, serving: Production
):
    (transaction_id,) = requests_of(project, serving, "answered")
    path = f"/projects/{project.slug}/grades"
    reviewer, other = sign_in_as("reviewer"), sign_in_as("reviewer")
    json = {"Accept": "application/json"}
    body = {"transaction_id": transaction_id, "verdict": "wrong"}
    refused = reviewer.post(path, json=body, headers=json)
    assert (refused.status_code, "true class" in refused.json()["error"]["message"]) == (422, True)
    grade_id = reviewer.post(path, json={**body, "verdict": "correct"}, headers=json).json()["grade_id"]
    late = other.post(path, json={**body, "verdict": "not_usable"}, headers=json)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "already_graded")
    assert other.post(f"{path}/undo", json={"grade_id": grade_id}, headers=json).status_code == 404
    undone = reviewer.post(f"{path}/undo", json={"grade_id": grade_id}, headers=json)
    assert undone.json() == {"transaction_id": transaction_id}
    with read() as session:
        assert session.get(Grade, grade_id) is None


def test_the_queue_comes_in_parts(sign_in_as: SignInAs, project: Project, serving: Production):
    requests_of(project, serving, *["answered", "choices", "unable"] * 3)
    reviewer = sign_in_as("reviewer")
    page = reviewer.get(f"/projects/{project.slug}/grade").text
    ids = [part.split('"')[0] for part in page.split('data-transaction-id="')[1:]]
    more = reviewer.get(f"/projects/{project.slug}/grade/more", params={"after": ids[-1]}).text
    rest = [part.split('"')[0] for part in more.split('data-transaction-id="')[1:]]
    assert (len(ids), len(rest), len({*ids, *rest})) == (6, 3, 9)
    assert "<html" not in more
