"""A labeller's own day: counts, the last answers to walk back to, and the summary."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.core.clock import now
from app.core.database import read, write
from app.labelling import own_day, service
from app.labelling.schemas import Act, LabelRequest
from app.projects.models import Project
from tests.factories import labelling as make
from tests.web_client import SignInAs


@pytest.fixture
def place(installation: Path) -> make.Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return make.workplace(session)


def test_the_day_counts_what_stands_and_lists_the_last_answers(place: make.Workplace):
    with write() as session:
        images = make.images(session, place.project_id, 6)
        who = {"project_id": place.project_id, "user_id": place.ann}

        def act(image_ids: list[int], **values: object) -> int:
            request = LabelRequest.model_validate({"image_ids": image_ids, **values})
            return service.act_on(session, request, may_remove_many=False, **who).action_id

        act(images[:1], act=Act.LABEL, class_id=place.lion)
        act(images[1:2], act=Act.NOT_GOOD, reason="dark")
        act(images[2:3], act=Act.ROTATE)
        gone = act(images[3:4], act=Act.UNKNOWN)
        act(images[4:], act=Act.LABEL, class_id=place.tiger, how="grid")
        service.undo(session, gone, may_undo_others=False, **who)
    began = now() - timedelta(hours=1)
    with read() as session:
        day = own_day.summary_of(session, place.project_id, place.ann, began)
        earlier = own_day.earlier_answers(session, place.project_id, place.ann, began)
        assert own_day.labelled_since(session, place.project_id, place.ann, began) == day.images == 4
        assert own_day.summary_of(session, place.project_id, place.ben, began).images == 0
    assert day.by_kind == {"label": 3, "not_good": 1}
    assert (day.undone, day.classes) == (1, [("Tiger", 2), ("Lion", 1)])
    assert [(one.image_id, one.kind, one.class_id, one.label, one.reason) for one in earlier] == [
        (images[0], "label", place.lion, "Lion", None),
        (images[1], "not_good", None, "pool", "dark"),
        (images[2], "rotate", None, "pool", None),
    ]


def test_the_screen_begins_with_the_last_answers_and_undoes_by_key(sign_in_as: SignInAs, project: Project):
    browser, base = sign_in_as("labeller"), f"/projects/{project.slug}"
    with write() as session:
        images = make.images(session, project.id, 2)
    sent = {"image_ids": images[:1], "act": "unknown", "request_key": "tab-1:00000001"}
    browser.post(f"{base}/labels", json=sent)
    told = browser.post(f"{base}/label/next", json={"begins": True}).json()
    assert [one["image_id"] for one in told["earlier"]] == [one["id"] for one in told["answered"]] == images[:1]
    assert "1" in browser.get(f"{base}/label/summary").text
    undo = {"action_key": "tab-1:00000001", "request_key": "tab-1:00000002"}
    answers = [browser.post(f"{base}/label/undo", json=undo).json() for _ in range(2)]
    assert [answer["changed"] for answer in answers] == [1, 1]
    redo = {"action_key": "tab-1:00000002", "request_key": "tab-1:00000003"}
    assert browser.post(f"{base}/label/undo", json=redo).json()["versions"] == {str(images[0]): 3}
    never = {"action_key": "tab-1:00000009", "request_key": "tab-1:00000004"}
    assert browser.post(f"{base}/label/undo", json=never).json()["changed"] == 0
    stranger = sign_in_as("reviewer")
    assert stranger.post(f"{base}/label/undo", json=redo | {"request_key": "tab-2:00000001"}).json()["changed"] == 0


def test_the_queue_chosen_last_is_remembered(sign_in_as: SignInAs, project: Project):
    browser, path = sign_in_as("labeller"), f"/projects/{project.slug}/label"
    mixed = browser.get(f"{path}/mix?uncertain=50&newest=20&diverse=0")
    assert mixed.headers["location"] == f"{path}?policy=uncertain:50,newest:20"
    browser.post(f"{path}/next", json={"policy": "uncertain:50,newest:20"})
    assert 'data-policy="uncertain:50,newest:20"' in browser.get(path).text
    assert 'data-policy="oldest"' in browser.get(f"{path}?policy=oldest").text
    assert browser.get(f"{path}?policy=loudest").status_code == 422
