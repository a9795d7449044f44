"""A version is measured only on what neither it nor an ancestor has learnt from; the rest is left out and counted."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from app.core.database import read, write
from app.datasets.benchmarks import extend_benchmark_set, make_benchmark_set
from app.evaluation.subsets import Subset, newest_sets, subsets_of
from app.labelling.models import LabelClass
from app.library.models import Image
from app.registry.queries import get_version
from tests.factories.datasets import make_class, make_duplicate_group, make_images
from tests.factories.evaluation import benchmark_set, fill_snapshot
from tests.factories.registry import TinyVersion, make_classes, tiny_version
from tests.factories.runs import any_project

pytestmark = pytest.mark.usefixtures("installation")
NAMES = ["Apple", "Pear"]


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


def measured_on(project_id: int, version: TinyVersion) -> dict[str, Subset]:
    with read() as session:
        snapshot_id = get_version(session, version.id).snapshot_id
        found = subsets_of(session, project_id=project_id, version_id=version.id, snapshot_id=snapshot_id)
    return {each.name: each for each in found}


def learnt(version: TinyVersion, splits: dict[str, dict[int, int]]) -> None:
    with read() as session:
        snapshot_id = get_version(session, version.id).snapshot_id
    fill_snapshot(snapshot_id, dict(zip(version.class_ids, NAMES, strict=True)), splits)


def test_splits_are_those_of_the_snapshot_and_leaked_images_are_not_measured_on(project_id: int):
    version = tiny_version(project_id, NAMES)
    apple, pear = version.class_ids
    with write() as session:
        ids = make_images(session, project_id, 8, apple)
        session.execute(update(Image).where(Image.id.in_([ids[0], ids[4], ids[6]])).values(leaked=True))
    learnt(
        version,
        {
            "train": {ids[0]: apple, ids[1]: pear},
            "validation": {ids[4]: apple, ids[5]: pear},
            "test": {ids[6]: pear, ids[7]: apple},
        },
    )
    found = measured_on(project_id, version)
    assert found["train"].image_ids.tolist() == ids[:2]
    assert found["validation"].image_ids.tolist() == [ids[5]]
    assert (found["test"].image_ids.tolist(), found["test"].truth.tolist()) == ([ids[7]], [apple])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("by_mate", [False, True])
@pytest.mark.parametrize("generation", ["itself", "grandparent"])
def test_benchmark_images_learnt_from_are_left_out_and_counted(
    project_id: int, split: str, by_mate: bool, generation: str
):
    first = tiny_version(project_id, NAMES)
    version = first
    if generation == "grandparent":
        parent = tiny_version(project_id, NAMES, parent_id=first.id, start="warm")
        version = tiny_version(project_id, NAMES, parent_id=parent.id, start="warm")
    apple = first.class_ids[0]
    with write() as session:
        group = make_duplicate_group(session, project_id)
        clean = make_images(session, project_id, 3, apple)
        seen = make_images(session, project_id, 1, apple, duplicate_group_id=group)
        mate = make_images(session, project_id, 1, apple, duplicate_group_id=group)
        set_id = make_benchmark_set(session, project_id=project_id, name="Field", image_ids=[*clean, *seen]).id
    learnt(first, {split: {(mate if by_mate else seen)[0]: apple}})
    found = measured_on(project_id, version)[f"benchmark:{set_id}"]
    if split == "test":
        assert (found.exposed, found.image_ids.tolist()) == (0, [*clean, *seen])
    else:
        assert (found.exposed, found.image_ids.tolist()) == (1, clean)


def test_what_an_unrelated_version_learnt_from_stays(project_id: int):
    stranger, version = tiny_version(project_id, NAMES), tiny_version(project_id, NAMES)
    set_id, ids = benchmark_set(project_id, 2, version.class_ids[0])
    learnt(stranger, {"train": dict.fromkeys(ids, version.class_ids[0])})
    found = measured_on(project_id, version)[f"benchmark:{set_id}"]
    assert (found.exposed, found.image_ids.tolist()) == (0, ids)


def test_the_right_answer_follows_from_each_versions_class_list(project_id: int):
    version = tiny_version(project_id, NAMES)
    wider = tiny_version(project_id, [*NAMES, "Kiwi"])
    apple, _, kiwi = wider.class_ids
    with write() as session:
        ids = make_images(session, project_id, 4, apple)
        truths = {ids[0]: apple, ids[1]: kiwi, ids[2]: None, ids[3]: kiwi}
        made = make_benchmark_set(session, project_id=project_id, name="Field", image_ids=ids, truths=truths)
        session.execute(update(Image).where(Image.id == ids[3]).values(state="removed", class_id=None))
    name = f"benchmark:{made.id}"
    assert measured_on(project_id, version)[name].truth.tolist() == [apple, 0, 0]
    assert measured_on(project_id, wider)[name].truth.tolist() == [apple, kiwi, 0]


def test_a_truth_settled_before_a_merge_is_known_under_the_class_it_went_to(project_id: int):
    version = tiny_version(project_id, NAMES)
    apple = version.class_ids[0]
    with write() as session:
        old, older = make_class(session, project_id), make_class(session, project_id)
        session.execute(update(LabelClass).where(LabelClass.id == old).values(merged_into_id=apple))
        session.execute(update(LabelClass).where(LabelClass.id == older).values(merged_into_id=old))
    before = tiny_version(project_id, NAMES)
    set_id, ids = benchmark_set(project_id, 2, older)
    assert measured_on(project_id, before)[f"benchmark:{set_id}"].truth.tolist() == [apple] * len(ids)


def test_only_the_newest_version_of_a_set_counts(project_id: int):
    with write() as session:
        (apple,) = make_classes(session, project_id, ["Apple"])
    first, _ = benchmark_set(project_id, 2, apple)
    tuning, _ = benchmark_set(project_id, 2, apple, name="Choosing", is_tuning=True)
    with write() as session:
        more = make_images(session, project_id, 1, apple)
        second = extend_benchmark_set(session, first, project_id=project_id, image_ids=more).id
    with read() as session:
        found = newest_sets(session, project_id)
    assert [(each.id, each.name, each.version, each.is_tuning) for each in found] == [
        (tuning, "Choosing", 1, True),
        (second, "Field", 2, False),
    ]
