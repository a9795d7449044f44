"""A class split by sub-class, made of a selection, deleted with a stated end for its images; each undone as one."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.database import write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.labelling import class_parts, service
from app.labelling.class_merge import merge_classes
from app.labelling.class_names import aliases_of, class_named, set_aliases
from app.labelling.class_parts import LabelsGo
from app.labelling.models import LabelClass
from app.labelling.schemas import ActionResult
from app.library.counts import kept_counts, recount
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


@pytest.fixture
def lions(place: make.Workplace) -> list[int]:
    """A male, a cub, and one without a sub-class."""
    with write() as session:
        image_ids = make.images(session, place.project_id, 3)
    for image_id, sub_class_id in zip(image_ids, (place.male, place.cub, None), strict=True):
        with write() as session:
            who: dict[str, Any] = {"project_id": place.project_id, "user_id": place.ann}
            service.apply_one_label_to(
                session, **who, image_ids=[image_id], class_id=place.lion, sub_class_id=sub_class_id
            )
    return image_ids


def labels(place: make.Workplace, image_ids: list[int]) -> list[tuple[str, str | None, int | None]]:
    with write() as session:
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)
        found = [make.image(session, image_id) for image_id in image_ids]
        names = {each.class_id: session.get_one(LabelClass, each.class_id).name for each in found if each.class_id}
        return [(each.state, names.get(each.class_id), each.sub_class_id) for each in found]


def undo(place: make.Workplace, done: ActionResult) -> None:
    with write() as session:
        service.undo(session, done.action_id, project_id=place.project_id, user_id=place.rita, may_undo_others=True)


def test_sub_classes_become_classes_and_undo_puts_them_back(place: make.Workplace, lions: list[int]):
    before = labels(place, lions)
    with write() as session:
        who: dict[str, Any] = {"project_id": place.project_id, "class_id": place.lion, "user_id": place.rita}
        done = class_parts.split_by_sub_class(session, **who, names={place.cub: "Lion cub"})
        with pytest.raises(InvalidInput):
            class_parts.split_by_sub_class(session, **who, names={})
        with pytest.raises(Conflict):
            class_parts.split_by_sub_class(session, **who, names={place.male: "tiger"})
        with pytest.raises(NotFound):
            class_parts.split_by_sub_class(session, **who | {"class_id": place.tiger}, names={place.male: "Males"})
    assert done.changed == 1
    split = labels(place, lions)
    assert split == [before[0], ("labelled", "Lion cub", None), before[2]]
    undo(place, done)
    assert labels(place, lions) == before


def test_a_selection_becomes_a_class_of_its_own(place: make.Workplace, lions: list[int]):
    with write() as session:
        made, done = class_parts.split_off(
            session,
            project_id=place.project_id,
            name="Sphinx",
            image_ids=lions[1:],
            user_id=place.rita,
            versions={lions[1]: 1, lions[2]: 7},
        )
    assert (made.name, done.changed, done.skipped_count) == ("Sphinx", 1, 1)
    assert [name for _, name, _ in labels(place, lions)] == ["Lion", "Sphinx", "Lion"]


@pytest.mark.parametrize(("labels_go", "state"), [(LabelsGo.POOL, "pool"), (LabelsGo.UNKNOWN, "unknown")])
def test_a_deleted_class_leaves_its_images_as_chosen(
    place: make.Workplace, lions: list[int], labels_go: LabelsGo, state: str
):
    before = labels(place, lions)
    with write() as session:
        who: dict[str, Any] = {"project_id": place.project_id, "class_id": place.lion, "user_id": place.rita}
        done = class_parts.delete_class(session, **who, labels_go=labels_go)
    assert labels(place, lions) == [(state, None, None)] * 3
    with write() as session:
        assert session.get_one(LabelClass, place.lion).archived_at is not None
    undo(place, done)
    assert labels(place, lions) == before
    with write() as session:
        assert session.get_one(LabelClass, place.lion).archived_at is None


def test_a_deleted_class_may_give_its_images_to_another(place: make.Workplace, lions: list[int]):
    with write() as session:
        who: dict[str, Any] = {"project_id": place.project_id, "class_id": place.lion, "user_id": place.rita}
        with pytest.raises(InvalidInput):
            class_parts.delete_class(session, **who, labels_go=LabelsGo.CLASS)
        with pytest.raises(InvalidInput):
            class_parts.delete_class(session, **who, labels_go=LabelsGo.POOL, target_id=place.bear)
        class_parts.delete_class(session, **who, labels_go=LabelsGo.CLASS, target_id=place.bear)
    assert {name for _, name, _ in labels(place, lions)} == {"Bear"}


def test_undoing_a_split_ends_the_class_it_made_and_undoing_a_merge_gives_aliases_back(
    place: make.Workplace, lions: list[int]
):
    who: dict[str, Any] = {"project_id": place.project_id, "user_id": place.rita}
    with write() as session:
        split = class_parts.split_by_sub_class(session, class_id=place.lion, **who, names={place.cub: "Lion cub"})
        made, off = class_parts.split_off(session, name="Pride", image_ids=lions[:1], **who)
    for done in (off, split):
        undo(place, done)
    with write() as session:
        ends = {name: class_named(session, place.project_id, name) for name in ("Lion cub", "Pride")}
        assert all(each is not None and each.archived_at is not None for each in ends.values())
        for class_id, aliases in ((place.tiger, ["Tigre"]), (place.lion, ["Leo"])):
            set_aliases(session, session.get_one(LabelClass, class_id), aliases)
        merged = merge_classes(session, source_id=place.tiger, target_id=place.lion, **who)
        assert aliases_of(session, place.lion) == ["Leo", "Tigre"]
    undo(place, merged)
    with write() as session:
        assert (aliases_of(session, place.lion), aliases_of(session, place.tiger)) == (["Leo"], ["Tigre"])
        tiger = session.get_one(LabelClass, place.tiger)
        assert (tiger.archived_at, tiger.merged_into_id, made.id) == (None, None, ends["Pride"].id)  # type: ignore[union-attr]
