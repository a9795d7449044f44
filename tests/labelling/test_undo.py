"""Undo: an action is taken back as one, except where somebody changed an image since."""

from __future__ import annotations

import pytest

from app.core.database import write
from app.core.errors import Conflict, Forbidden, NotFound
from app.labelling import service
from app.labelling.schemas import Act, ActionResult, LabelRequest
from app.library.counts import kept_counts, recount
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


@pytest.fixture
def pool(place: make.Workplace) -> list[int]:
    with write() as session:
        return make.images(session, place.project_id, 5)


def label(place: make.Workplace, image_ids: list[int], class_id: int, *, user_id: int | None = None) -> ActionResult:
    with write() as session:
        return service.apply_one_label_to(
            session,
            project_id=place.project_id,
            user_id=user_id or place.ann,
            image_ids=image_ids,
            class_id=class_id,
        )


def undo(place: make.Workplace, action_id: int, *, user_id: int | None = None, **values: object) -> ActionResult:
    options = {"may_undo_others": False, **values}
    with write() as session:
        return service.undo(
            session,
            action_id,
            project_id=place.project_id,
            user_id=user_id or place.ann,
            **options,  # type: ignore[arg-type]
        )


def test_undo_appends_events_and_brings_back_each_former_label(place: make.Workplace, pool: list[int]):
    label(place, pool[:2], place.tiger)
    done = label(place, pool, place.lion)
    undone = undo(place, done.action_id)
    assert (undone.changed, undone.skipped) == (5, [])
    with write() as session:
        assert [make.image(session, image_id).state for image_id in pool] == ["labelled"] * 2 + ["pool"] * 3
        assert make.image(session, pool[0]).class_id == place.tiger
        assert [event.how for event in make.history(session, pool[0])] == ["bulk", "bulk", "undo"]
        assert make.image(session, pool[0]).label_version == 3
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)


def test_undo_leaves_and_lists_what_somebody_changed_since(place: make.Workplace, pool: list[int]):
    done = label(place, pool[:3], place.lion)
    label(place, pool[:1], place.tiger, user_id=place.ben)
    undone = undo(place, done.action_id)
    assert undone.changed == 2
    (left,) = undone.skipped
    assert (left.image_id, left.why, left.by, left.now) == (pool[0], "changed since", "ben", "Tiger")
    with write() as session:
        assert make.image(session, pool[0]).class_id == place.tiger


def test_an_undo_that_could_change_nothing_leaves_the_act_open(place: make.Workplace, pool: list[int]):
    done = label(place, pool[:1], place.lion)
    later = label(place, pool[:1], place.tiger, user_id=place.ben)
    assert undo(place, done.action_id).changed == 0
    undo(place, later.action_id, user_id=place.ben)
    assert undo(place, done.action_id).skipped_count == 1


def test_an_act_is_undone_once_and_the_undo_can_be_undone(place: make.Workplace, pool: list[int]):
    done = label(place, pool, place.lion)
    undone = undo(place, done.action_id)
    with pytest.raises(Conflict, match="already undone"):
        undo(place, done.action_id)
    assert undo(place, undone.action_id).changed == 5
    with write() as session:
        assert make.image(session, pool[0]).class_id == place.lion


def test_a_retried_undo_answers_as_the_first_time(place: make.Workplace, pool: list[int]):
    done = label(place, pool, place.lion)
    first = undo(place, done.action_id, request_key="tab-1:00000002")
    assert undo(place, done.action_id, request_key="tab-1:00000002") == first


def test_another_s_act_needs_a_reviewer(place: make.Workplace, pool: list[int]):
    done = label(place, pool, place.lion)
    with pytest.raises(Forbidden):
        undo(place, done.action_id, user_id=place.ben)
    assert undo(place, done.action_id, user_id=place.rita, may_undo_others=True).changed == 5


def test_an_action_of_another_project_is_not_found(place: make.Workplace, pool: list[int]):
    done = label(place, pool, place.lion)
    with write() as session:
        other = make.project(session, "Other")
        with pytest.raises(NotFound):
            service.undo(session, done.action_id, project_id=other, user_id=place.ann, may_undo_others=True)


def test_turning_and_judging_are_undone_too(place: make.Workplace, pool: list[int]):
    for act, reason in ((Act.ROTATE, None), (Act.NOT_GOOD, "blurred")):
        with write() as session:
            request = LabelRequest(image_ids=pool[:1], act=act, reason=reason)
            done = service.act_on(
                session, request, project_id=place.project_id, user_id=place.ann, may_remove_many=False
            )
        undo(place, done.action_id)
    with write() as session:
        image = make.image(session, pool[0])
        assert (image.rotation, image.quality, image.label_version) == (0, None, 4)
