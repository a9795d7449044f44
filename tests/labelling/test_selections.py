"""An act on "all that match": one action, one undo; nothing unseen, later or another's is touched."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Forbidden, InvalidInput
from app.labelling import service
from app.labelling.schemas import Act, ActionResult, LabelRequest
from app.library.counts import kept_counts, recount
from app.library.selection import Selection, resolve
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


@pytest.fixture
def pool(place: make.Workplace) -> list[int]:
    with write() as session:
        return make.images(session, place.project_id, 30)


def act(place: make.Workplace, act: Act, *, user_id: int | None = None, **values: Any) -> ActionResult:
    request = LabelRequest.model_validate({"act": act, **values})
    with write() as session:
        who = {"project_id": place.project_id, "user_id": user_id or place.ann, "may_remove_many": False}
        return service.act_on(session, request, **who)


def matching(place: make.Workplace, **selection: Any) -> list[int]:
    with read() as session:
        return resolve(session, place.project_id, Selection.model_validate(selection))


def test_all_that_match_but_some_are_labelled_and_taken_back_as_one(place: make.Workplace, pool: list[int]):
    act(place, Act.LABEL, image_ids=pool[:4], class_id=place.tiger)
    chosen = {"filter": "state=pool&size=m", "except_ids": pool[4:6]}
    done = act(place, Act.LABEL, selection=chosen, class_id=place.lion, how="grid", request_key="all-that-match")
    assert done.changed == 24
    assert act(place, Act.LABEL, selection=chosen, class_id=place.lion, request_key="all-that-match") == done
    assert matching(place, filter=f"class_id={place.lion}") == pool[:5:-1]
    with write() as session:
        undone = service.undo(
            session, done.action_id, project_id=place.project_id, user_id=place.ann, may_undo_others=False
        )
        assert undone.changed == 24
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)
    assert matching(place, filter="state=pool") == pool[:3:-1]


def test_what_arrived_or_was_changed_since_the_page_was_made_stays(place: make.Workplace, pool: list[int]):
    seen_at = now()
    act(place, Act.SMALL_SUBJECT, image_ids=pool[:2], user_id=place.ben)
    act(place, Act.SMALL_SUBJECT, image_ids=pool[2:4])
    with write() as session:
        late = make.images(session, place.project_id, 3, start=100)
    done = act(place, Act.UNKNOWN, selection={"filter": "state=pool", "seen_at": seen_at})
    assert (done.changed, done.skipped_count) == (28, 2)
    assert {(row.image_id, row.why, row.by) for row in done.skipped} == {
        (image_id, "changed meanwhile", "ben") for image_id in pool[:2]
    }
    assert set(matching(place, filter="state=pool")) == {*pool[:2], *late}


def test_a_small_subject_is_marked_kept_in_the_history_and_taken_back(place: make.Workplace, pool: list[int]):
    done = act(place, Act.SMALL_SUBJECT, image_ids=pool[:3])
    assert act(place, Act.SMALL_SUBJECT, image_ids=pool[:3]).changed == 0
    assert matching(place, filter="is_small_subject=true") == pool[2::-1]
    assert act(place, Act.NOT_SMALL_SUBJECT, image_ids=pool[:1]).changed == 1
    with write() as session:
        first, second = make.history(session, pool[0])
        assert (first.from_is_small_subject, first.to_is_small_subject, second.to_is_small_subject) == (
            False,
            True,
            False,
        )
        result = service.undo(
            session, done.action_id, project_id=place.project_id, user_id=place.ann, may_undo_others=False
        )
    assert (result.changed, result.skipped_count) == (2, 1)
    assert matching(place, filter="is_small_subject=true") == []


def test_a_labeller_removes_no_more_by_a_filter_than_by_hand(place: make.Workplace, pool: list[int]):
    with pytest.raises(Forbidden, match="received 30"):
        act(place, Act.REMOVE, selection={"filter": ""})
    assert act(place, Act.REMOVE, selection={"filter": "", "except_ids": pool[5:]}).changed == 5


def test_a_filter_that_is_none_matches_nothing(place: make.Workplace, pool: list[int]):
    for query in ("clas_id=1", "state=pool&password=x", "image.project_id=2"):
        with pytest.raises(InvalidInput, match="these are no filters"):
            act(place, Act.UNKNOWN, selection={"filter": query})
    with pytest.raises(InvalidInput, match="no image matches"):
        act(place, Act.UNKNOWN, selection={"filter": "state=unknown"})
    assert len(matching(place, filter="state=pool")) == len(pool)


def test_a_selection_keeps_to_its_project_and_its_cap(place: make.Workplace, pool: list[int]):
    with write() as session:
        elsewhere = make.images(session, make.project(session, "Small dogs"), 2)
    assert matching(place, image_ids=[*elsewhere, *pool[:2]]) == pool[1::-1]
    with read() as session, pytest.raises(InvalidInput, match="at most 29 images"):
        resolve(session, place.project_id, Selection(filter=""), 29)
    assert matching(place, filter="", most=3, except_ids=pool[-1:]) == pool[-2:-5:-1]


def test_a_selection_is_ids_or_a_filter():
    for wrong in ({}, {"image_ids": [1], "filter": ""}, {"image_ids": [1], "except_ids": [2]}):
        with pytest.raises(ValueError, match=r"selection|except_ids"):
            Selection.model_validate(wrong)
    with pytest.raises(ValueError, match="either image_ids or a selection"):
        LabelRequest.model_validate({"act": "good", "image_ids": [1], "selection": {"filter": ""}})
