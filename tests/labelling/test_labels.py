"""Labels: one event for each change, versions checked, retries harmless."""

from __future__ import annotations

import pytest

from app.core.database import write
from app.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from app.labelling import service
from app.labelling.classes import archive_class
from app.labelling.schemas import Act, Change, LabelRequest
from app.library.counts import kept_counts, recount
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


def act(place: make.Workplace, image_ids: list[int], act: Act, *, user_id: int | None = None, **values: object):
    request = LabelRequest.model_validate({"image_ids": image_ids, "act": act, **values})
    with write() as session:
        return service.act_on(
            session,
            request,
            project_id=place.project_id,
            user_id=user_id or place.ann,
            may_remove_many=False,
        )


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


@pytest.fixture
def pool(place: make.Workplace) -> list[int]:
    with write() as session:
        return make.images(session, place.project_id, 8)


def test_a_label_is_the_image_s_last_event_and_is_counted(place: make.Workplace, pool: list[int]):
    result = act(place, pool[:3], Act.LABEL, class_id=place.lion, sub_class_id=place.cub, how="grid")
    assert (result.changed, result.skipped) == (3, [])
    with write() as session:
        image, events = make.image(session, pool[0]), make.history(session, pool[0])
        assert (image.state, image.class_id, image.sub_class_id) == ("labelled", place.lion, place.cub)
        assert (image.label_version, image.last_event_id) == (1, events[-1].id)
        assert image.labelled_at == events[-1].at
        last = events[-1]
        assert (last.from_state, last.to_state, last.how, last.user_id) == ("pool", "labelled", "grid", place.ann)
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)


def test_the_same_label_again_is_no_event(place: make.Workplace, pool: list[int]):
    act(place, pool, Act.LABEL, class_id=place.lion)
    assert act(place, pool, Act.LABEL, class_id=place.lion).changed == 0
    with write() as session:
        assert len(make.history(session, pool[0])) == 1
        assert make.image(session, pool[0]).label_version == 1


def test_a_class_alone_keeps_the_sub_class_that_was_known_and_drops_another_class_s(
    place: make.Workplace, pool: list[int]
):
    act(place, pool[:1], Act.LABEL, class_id=place.lion, sub_class_id=place.male)
    act(place, pool[:1], Act.UNKNOWN)
    act(place, pool[:2], Act.LABEL, class_id=place.lion, sub_class_id=place.male)
    act(place, pool[:1], Act.LABEL, class_id=place.lion)
    act(place, pool[1:2], Act.LABEL, class_id=place.tiger)
    with write() as session:
        assert make.image(session, pool[0]).sub_class_id == place.male
        assert make.image(session, pool[1]).sub_class_id is None


def test_each_act_does_what_it_says(place: make.Workplace, pool: list[int]):
    act(place, pool[:1], Act.UNKNOWN)
    act(place, pool[1:2], Act.NONE)
    act(place, pool[2:3], Act.NOT_GOOD, reason="blurred")
    act(place, pool[3:4], Act.GOOD)
    for _ in range(5):
        act(place, pool[4:5], Act.ROTATE)
    act(place, pool[5:6], Act.LABEL, class_id=place.tiger)
    act(place, pool[5:6], Act.NOT_GOOD, reason="dark")
    with write() as session:
        found = [make.image(session, image_id) for image_id in pool]
        assert [image.state for image in found[:4]] == ["unknown", "none", "pool", "pool"]
        assert [image.quality for image in found[2:4]] == ["blurred", "good"]
        assert (found[4].rotation, found[4].label_version) == (90, 5)
        assert (found[5].class_id, found[5].quality) == (place.tiger, "dark")


def test_removing_keeps_the_label_in_history_and_restoring_brings_it_back(place: make.Workplace, pool: list[int]):
    act(place, pool[:1], Act.LABEL, class_id=place.lion, sub_class_id=place.cub)
    act(place, pool[:2], Act.REMOVE)
    with write() as session:
        removed = make.image(session, pool[0])
        assert (removed.state, removed.class_id, removed.labelled_at) == ("removed", None, None)
    refused = act(place, pool[:1], Act.LABEL, class_id=place.tiger)
    assert refused.changed == 0
    assert refused.skipped[0].why == "it is removed; restore it first"
    restored = act(place, pool[:3], Act.RESTORE)
    assert (restored.changed, [row.why for row in restored.skipped]) == (2, ["it is not removed"])
    with write() as session:
        first, second = make.image(session, pool[0]), make.image(session, pool[1])
        assert (first.state, first.class_id, first.sub_class_id) == ("labelled", place.lion, place.cub)
        assert second.state == "pool"


def test_a_labeller_removes_twenty_at_once_and_no_more(place: make.Workplace):
    with write() as session:
        many = make.images(session, place.project_id, 21)
    with pytest.raises(Forbidden, match="needs the role engineer"):
        act(place, many, Act.REMOVE)
    assert act(place, many[:20], Act.REMOVE).changed == 20
    with write() as session:
        request = LabelRequest(image_ids=many, act=Act.REMOVE)
        result = service.act_on(session, request, project_id=place.project_id, user_id=place.rita, may_remove_many=True)
        assert result.changed == 1


def test_of_two_labellers_the_later_one_overwrites_nothing_and_learns_why(place: make.Workplace, pool: list[int]):
    seen = dict.fromkeys(pool[:2], 0)
    act(place, pool[:1], Act.LABEL, class_id=place.lion, sub_class_id=place.cub, versions=seen)
    late = act(place, pool[:2], Act.LABEL, class_id=place.tiger, versions=seen, user_id=place.ben)
    assert late.changed == 1
    (skipped,) = late.skipped
    assert (skipped.image_id, skipped.why, skipped.by) == (pool[0], "changed meanwhile", "ann")
    assert (skipped.now, skipped.version) == ("Lion / cub", 1)
    with write() as session:
        assert make.image(session, pool[0]).class_id == place.lion


def test_a_retried_request_changes_nothing_twice_and_answers_as_the_first_time(place: make.Workplace, pool: list[int]):
    act(place, pool[:1], Act.UNKNOWN, user_id=place.ben)
    values = {"request_key": "tab-1:00000001", "versions": {pool[0]: 0}}
    first = act(place, pool[:3], Act.ROTATE, **values)
    again = act(place, pool[:3], Act.ROTATE, **values)
    assert again == first
    assert (first.changed, first.skipped_count) == (2, 1)
    with write() as session:
        assert make.image(session, pool[1]).rotation == 90


def test_another_s_request_key_is_refused(place: make.Workplace, pool: list[int]):
    act(place, pool[:1], Act.UNKNOWN, request_key="tab-1:00000001")
    with pytest.raises(Conflict, match="request_key"):
        act(place, pool[1:2], Act.UNKNOWN, request_key="tab-1:00000001", user_id=place.ben)


def test_images_of_another_project_and_quarantined_ones_stay_untouched(place: make.Workplace, pool: list[int]):
    with write() as session:
        elsewhere = make.images(session, make.project(session, "Other"), 1)
        broken = make.images(session, place.project_id, 1, start=50, state="quarantined")
    result = act(place, [*elsewhere, *broken, pool[0], 10**12], Act.LABEL, class_id=place.lion)
    assert result.changed == 1
    assert {row.image_id: row.why for row in result.skipped} == {
        elsewhere[0]: "no such image in this project",
        10**12: "no such image in this project",
        broken[0]: "it could not be decoded",
    }
    with write() as session:
        assert make.image(session, elsewhere[0]).state == "pool"


def test_classes_of_another_project_archived_ones_and_foreign_sub_classes_are_refused(
    place: make.Workplace, pool: list[int]
):
    with write() as session:
        other = make.workplace(session, "Other")
        archive_class(session, project_id=place.project_id, class_id=place.bear, user_id=place.rita)
    with pytest.raises(NotFound, match="no class"):
        act(place, pool, Act.LABEL, class_id=other.lion)
    with pytest.raises(Conflict, match="archived"):
        act(place, pool, Act.LABEL, class_id=place.bear)
    with pytest.raises(NotFound, match="no sub-class"):
        act(place, pool, Act.LABEL, class_id=place.tiger, sub_class_id=place.cub)
    with pytest.raises(NotFound, match="no model version"):
        act(place, pool, Act.LABEL, class_id=place.tiger, suggestion={"version_id": 7})
    with write() as session:
        assert make.image(session, pool[0]).label_version == 0


def test_different_changes_are_one_action(place: make.Workplace, pool: list[int]):
    changes = [
        Change(pool[0], class_id=place.lion, sub_class_id=place.male, quality="good"),
        Change(pool[1], class_id=place.tiger),
        Change(pool[2], to_state="none", rotation=270),
        Change(pool[3], class_id=place.tiger, expected_version=4),
        Change(pool[4], quality="blurred"),
    ]
    with write() as session:
        result = service.apply_labels(
            session,
            project_id=place.project_id,
            user_id=place.rita,
            how="review",
            changes=changes,
            kind="review",
            summary="Reviewed",
        )
        assert (result.changed, result.skipped_count) == (4, 1)
        found = [make.image(session, image_id) for image_id in pool[:5]]
        assert [image.is_reviewed for image in found] == [True, True, True, False, False]
        assert (found[2].state, found[2].rotation, found[4].quality) == ("none", 270, "blurred")
        assert {
            event.action_id for image in found if image.last_event_id for event in make.history(session, image.id)
        } == {result.action_id}


@pytest.mark.parametrize(
    "change",
    [
        Change(1, to_state="labelled"),
        Change(1, to_state="quarantined"),
        Change(1, to_state="pool", class_id=1),
        Change(1, sub_class_id=1),
        Change(1, quality="ugly"),
        Change(1, rotation=45),
        Change(1, class_id=None),
    ],
)
def test_changes_that_contradict_themselves_are_refused(place: make.Workplace, change: Change):
    with pytest.raises(InvalidInput), write() as session:
        service.apply_labels(
            session,
            project_id=place.project_id,
            user_id=place.ann,
            how="manual",
            changes=[change],
            kind="label",
            summary="",
        )
