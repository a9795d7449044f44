"""Classes: made, renamed, archived, merged and parted again."""

from __future__ import annotations

import pytest

from app.core.database import write
from app.core.errors import Conflict, Forbidden, InvalidInput
from app.labelling import class_merge, classes, service
from app.labelling.models import LabelClass
from app.labelling.schemas import Act, ActionResult, LabelRequest
from app.library.counts import kept_counts, recount
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


def merge(place: make.Workplace, *, keep_as_sub_class: bool = False, target: int | None = None) -> ActionResult:
    with write() as session:
        return class_merge.merge_classes(
            session,
            project_id=place.project_id,
            source_id=place.lion,
            target_id=target or place.tiger,
            user_id=place.rita,
            keep_as_sub_class=keep_as_sub_class,
        )


def label(place: make.Workplace, image_ids: list[int], class_id: int, sub_class_id: int | None = None) -> ActionResult:
    with write() as session:
        return service.apply_one_label_to(
            session,
            project_id=place.project_id,
            user_id=place.ann,
            image_ids=image_ids,
            class_id=class_id,
            sub_class_id=sub_class_id,
        )


@pytest.mark.parametrize("name", ["Lion", "lion", "  LION ", "Li\u200bon".replace("\u200b", "")])
def test_a_class_exists_once_whatever_its_capitals(place: make.Workplace, name: str):
    with pytest.raises(Conflict, match="exists already"), write() as session:
        classes.create_class(session, project_id=place.project_id, name=name)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("  Snow \t leopard\n", "Snow leopard"),
        ("Jose\u0301", "José"),
        ("a\u202eb", "ab"),
        ("<b>x</b>", "<b>x</b>"),
        ("x" * 200, "x" * 120),
    ],
)
def test_names_are_kept_clean_and_as_text(place: make.Workplace, name: str, kept: str):
    with write() as session:
        assert classes.create_class(session, project_id=place.project_id, name=name).name == kept


def test_a_name_of_nothing_is_refused(place: make.Workplace):
    with pytest.raises(InvalidInput), write() as session:
        classes.create_class(session, project_id=place.project_id, name=" \u202e\n ")


def test_a_class_is_ensured_once_by_name(place: make.Workplace):
    with write() as session:
        first = service.ensure_class(session, place.project_id, "Puma", "kitten")
        assert service.ensure_class(session, place.project_id, " puma ", "Kitten") == first
        assert service.ensure_class(session, place.project_id, "Lion", "cub") == (place.lion, place.cub)
        assert service.ensure_class(session, place.project_id, "Tiger", " ") == (place.tiger, None)


def test_a_renamed_class_keeps_its_images_and_its_history_says_so(place: make.Workplace):
    with write() as session:
        (image_id,) = make.images(session, place.project_id, 1)
    label(place, [image_id], place.lion)
    with write() as session:
        classes.change_class(
            session,
            project_id=place.project_id,
            class_id=place.lion,
            name="Panthera leo",
            note="Mane or not.",
            user_id=place.rita,
        )
        assert make.image(session, image_id).class_id == place.lion
        with pytest.raises(Conflict):
            classes.change_class(
                session, project_id=place.project_id, class_id=place.lion, name="tiger", note="", user_id=place.rita
            )
        same = classes.change_class(
            session, project_id=place.project_id, class_id=place.lion, name="PANTHERA LEO", note="", user_id=place.rita
        )
        assert same.name == "PANTHERA LEO"


def test_a_class_in_use_is_not_archived_and_an_archived_one_comes_back(place: make.Workplace):
    with write() as session:
        (image_id,) = make.images(session, place.project_id, 1)
    label(place, [image_id], place.lion)
    with write() as session:
        with pytest.raises(Conflict, match="1 images carry Lion"):
            classes.archive_class(session, project_id=place.project_id, class_id=place.lion, user_id=place.rita)
        classes.archive_class(session, project_id=place.project_id, class_id=place.bear, user_id=place.rita)
        with pytest.raises(Conflict, match="archived; bring it back"):
            classes.create_class(session, project_id=place.project_id, name="bear")
        assert service.ensure_class(session, place.project_id, "Bear") == (place.bear, None)
        assert session.get_one(LabelClass, place.bear).archived_at is None


def test_a_merge_moves_labels_and_sub_classes_and_undo_parts_them_again(place: make.Workplace):
    with write() as session:
        image_ids = make.images(session, place.project_id, 3)
        tiger_cub = classes.create_sub_class(session, project_id=place.project_id, class_id=place.tiger, name="Cub").id
    label(place, image_ids[:1], place.lion, place.cub)
    label(place, image_ids[1:2], place.lion, place.male)
    label(place, image_ids[2:], place.lion)
    merged = merge(place)
    assert merged.changed == 3
    with write() as session:
        found = [make.image(session, image_id) for image_id in image_ids]
        assert {image.class_id for image in found} == {place.tiger}
        assert found[0].sub_class_id == tiger_cub
        assert found[1].sub_class_id not in {None, place.male}
        assert found[2].sub_class_id is None
        lion = session.get_one(LabelClass, place.lion)
        assert (lion.archived_at is not None, lion.merged_into_id) == (True, place.tiger)
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)
        with pytest.raises(Forbidden):
            service.undo(
                session, merged.action_id, project_id=place.project_id, user_id=place.rita, may_undo_others=False
            )
    with write() as session:
        service.undo(session, merged.action_id, project_id=place.project_id, user_id=place.rita, may_undo_others=True)
        found = [make.image(session, image_id) for image_id in image_ids]
        assert [image.sub_class_id for image in found] == [place.cub, place.male, None]
        assert {image.class_id for image in found} == {place.lion}
        lion = session.get_one(LabelClass, place.lion)
        assert (lion.archived_at, lion.merged_into_id) == (None, None)


def test_a_merge_can_keep_the_class_as_a_sub_class(place: make.Workplace):
    with write() as session:
        image_ids = make.images(session, place.project_id, 1)
    label(place, image_ids, place.lion)
    merge(place, keep_as_sub_class=True)
    with write() as session:
        assert (
            make.image(session, image_ids[0]).sub_class_id
            == service.ensure_class(session, place.project_id, "Tiger", "Lion")[1]
        )


def test_a_class_is_not_merged_into_itself(place: make.Workplace):
    with pytest.raises(InvalidInput):
        merge(place, target=place.lion)


def test_restoring_a_label_of_a_merged_class_brings_the_class_back(place: make.Workplace):
    with write() as session:
        image_ids = make.images(session, place.project_id, 1)
    label(place, image_ids, place.lion)
    for act in (Act.REMOVE, None, Act.RESTORE):
        if act is None:
            merge(place)
            continue
        with write() as session:
            request = LabelRequest(image_ids=image_ids, act=act)
            service.act_on(session, request, project_id=place.project_id, user_id=place.ann, may_remove_many=False)
    with write() as session:
        assert make.image(session, image_ids[0]).class_id == place.lion
        assert session.get_one(LabelClass, place.lion).archived_at is None
