"""Cutoffs, previews and snapshots."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.datasets.choosing import quotas
from app.datasets.models import Snapshot, SnapshotImage
from app.datasets.queries import get_snapshot, manifest, snapshot_classes, snapshot_list
from app.datasets.service import draw_splits, freeze, make_plan, preview
from app.library.models import Image
from tests.factories import datasets as made

pytestmark = pytest.mark.usefixtures("installation")


@given(st.lists(st.integers(0, 400), min_size=3, max_size=3), st.integers(1, 100), st.integers(1, 300))
def test_a_quota_never_exceeds_what_there_is_nor_the_upper_cutoff(available: list[int], lower: int, more: int):
    taken = quotas(np.array([available]), lower=lower, upper=lower + more)[0]
    total = sum(available)
    assert all(0 <= each <= has for each, has in zip(taken, available, strict=True))
    assert taken.sum() == (0 if total < lower else min(total, lower + more))


def test_a_class_below_the_lower_cutoff_is_left_out_and_says_what_it_needs():
    with write() as session:
        project_id = made.make_project(session)
        big, small = (made.make_class(session, project_id, name) for name in ("apple", "pear"))
        made.make_images(session, project_id, 50, big)
        made.make_images(session, project_id, 31, small)
        snapshot = freeze(session, project_id=project_id, lower=40, upper=300)
    with read() as session:
        rows = {each.name: each for each in snapshot_classes(session, snapshot.id)}
        assert (rows["pear"].needs, rows["pear"].position, rows["pear"].train) == (9, None, 0)
        assert (rows["apple"].needs, rows["apple"].position, rows["apple"].usable) == (0, 0, 50)
        measured_on = rows["apple"].test
        included = manifest(session, snapshot.id)
    assert [each.name for each in included.classes] == ["apple"]
    assert len(included.image_ids) == snapshot.images == 50
    assert len(included.ids_of("test")) == measured_on


def test_only_usable_images_count():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        made.make_images(session, project_id, 10, class_id)
        for left_out in (
            {"quality": "blurred"},
            {"is_representative": False},
            {"in_benchmark": True},
            {"is_retired": True},
            {"leaked": True, "split": "test"},
            {"is_small_subject": True},
        ):
            made.make_images(session, project_id, 1, class_id, **left_out)
        made.make_images(session, project_id, 3)
    with read() as session:
        plain = preview(session, project_id, 5, 300)
        with_small = preview(session, project_id, 5, 300, include_small=True)
    assert (plain.classes[0].usable, with_small.classes[0].usable) == (10, 11)
    assert plain.left_out == {
        "in a benchmark set, or linked with one": 1,
        "below the good image standard": 1,
        "duplicates of a better image": 1,
        "small subjects": 1,
        "retired": 1,
        "leaked between splits": 1,
    }


def test_a_class_above_the_upper_cutoff_is_sampled_down_split_by_split():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        made.make_images(session, project_id, 200, class_id)
        made.make_images(session, project_id, 50, class_id, is_reviewed=True)
        made.make_images(session, project_id, 50, class_id, origin="staged")
        snapshot = freeze(session, project_id=project_id, lower=10, upper=100)
        rows = session.execute(
            select(SnapshotImage.split, SnapshotImage.why, Image.origin, Image.is_reviewed)
            .join(Image, Image.id == SnapshotImage.image_id)
            .where(SnapshotImage.snapshot_id == snapshot.id)
        ).all()
    assert Counter(row.split for row in rows) == {"train": 70, "validation": 15, "test": 15}
    assert {row.origin for row in rows} == {"real"}
    reviewed = [row for row in rows if row.is_reviewed]
    assert len(reviewed) == 50
    assert {row.why for row in reviewed} == {"reviewed"}


def test_sub_classes_and_capture_groups_take_turns():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        rare, common = (made.make_sub_class(session, class_id) for _ in range(2))
        made.make_images(session, project_id, 200, class_id, sub_class_id=common)
        made.make_images(session, project_id, 30, class_id, sub_class_id=rare)
        snapshot = freeze(session, project_id=project_id, lower=10, upper=60)
        taken = Counter(
            session.scalars(select(SnapshotImage.sub_class_id).where(SnapshotImage.snapshot_id == snapshot.id)).all()
        )
    assert taken[rare] >= 28


def test_the_same_inputs_give_the_same_snapshot():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        ids = made.make_images(session, project_id, 80, class_id)
        first = freeze(session, project_id=project_id, lower=10, upper=50)
    with write() as session:
        narrower = freeze(session, project_id=project_id, lower=10, upper=20)
        again = freeze(session, project_id=project_id, lower=10, upper=50)
        made.make_images(session, project_id, 5)
        with_pool = freeze(session, project_id=project_id, lower=10, upper=50)
    assert narrower.id != first.id
    assert again.id == with_pool.id == first.id
    with write() as session:
        session.execute(update(Image).where(Image.id.in_(ids)).values(rotation=90))
        turned = freeze(session, project_id=project_id, lower=10, upper=50)
    assert turned.id != first.id
    with read() as session:
        assert session.scalar(select(func.count()).select_from(Snapshot)) == 3
        assert [each.id for each in snapshot_list(session, project_id, limit=2)] == [turned.id, narrower.id]


def test_earlier_choices_come_first():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        made.make_images(session, project_id, 60, class_id)
        first = freeze(session, project_id=project_id, lower=10, upper=50)
        made.make_images(session, project_id, 100, class_id)
        unchanged = freeze(session, project_id=project_id, lower=10, upper=50)
        second = freeze(session, project_id=project_id, lower=10, upper=80)
        kept = {
            row.image_id: row.split
            for row in session.execute(
                select(SnapshotImage.image_id, SnapshotImage.split).where(SnapshotImage.snapshot_id == first.id)
            )
        }
        new = {
            row.image_id: (row.split, row.why)
            for row in session.execute(
                select(SnapshotImage.image_id, SnapshotImage.split, SnapshotImage.why).where(
                    SnapshotImage.snapshot_id == second.id
                )
            )
        }
    assert unchanged.id == first.id
    assert len(new) == 80
    assert all(new[image_id] == (split, "in the snapshot before") for image_id, split in kept.items())


def test_a_preview_shows_what_a_snapshot_would_take_and_writes_nothing():
    with write() as session:
        project_id = made.make_project(session)
        for images in (12, 44, 90):
            class_id = made.make_class(session, project_id)
            made.make_images(session, project_id, images, class_id)
    with read() as session:
        shown = preview(session, project_id, 40, 60)
        drawn = session.scalar(select(func.count()).where(Image.split.is_not(None)))
    with write() as session:
        snapshot = freeze(session, project_id=project_id, lower=40, upper=60)
    assert drawn == 0
    assert [each.needs for each in shown.classes] == [28, 0, 0]
    assert shown.total == snapshot.images == 104
    with read() as session:
        rows = [
            (each.train, each.validation, each.test)
            for each in sorted(snapshot_classes(session, snapshot.id), key=lambda each: each.class_id)
        ]
    assert rows == [each.taken for each in shown.classes]


def test_a_plan_made_before_somebody_else_drew_is_made_again():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        made.make_images(session, project_id, 40, class_id)
    with read() as session:
        plan = make_plan(session, project_id=project_id, lower=10, upper=50, seed=1)
    with write() as session:
        draw_splits(session, project_id, seed=2)
        drawn = dict(session.execute(select(Image.id, Image.split)).all())
    with write() as session:
        snapshot = freeze(session, project_id=project_id, lower=10, upper=50, seed=1, plan=plan)
    with read() as session:
        frozen = manifest(session, snapshot.id)
        now_drawn = dict(session.execute(select(Image.id, Image.split)).all())
    assert now_drawn == drawn
    assert {
        image: ("train", "validation", "test")[split]
        for image, split in zip(frozen.image_ids.tolist(), frozen.splits.tolist(), strict=True)
    } == drawn


def test_a_class_of_too_few_groups_reads_not_measured():
    with write() as session:
        project_id = made.make_project(session)
        one_session, many = (made.make_class(session, project_id) for _ in range(2))
        group = made.make_capture_group(session, project_id)
        made.make_images(session, project_id, 40, one_session, capture_group_id=group)
        made.make_images(session, project_id, 40, many)
        snapshot = freeze(session, project_id=project_id, lower=40, upper=300)
        rows = {each.class_id: each for each in snapshot_classes(session, snapshot.id)}
    assert (rows[one_session].train, rows[one_session].measured) == (40, False)
    assert rows[many].measured


@pytest.mark.parametrize(("lower", "upper"), [(0, 10), (20, 10), (1, 10**7)])
def test_cutoffs_out_of_range_are_refused(lower: int, upper: int):
    with write() as session:
        project_id = made.make_project(session)
        with pytest.raises(InvalidInput, match="1 ≤ lower ≤ upper"):
            freeze(session, project_id=project_id, lower=lower, upper=upper)


def test_a_snapshot_without_classes_is_refused_and_says_how_many_images_are_missing():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        made.make_images(session, project_id, 33, class_id)
        with pytest.raises(InvalidInput, match="closest one needs 7 more"):
            freeze(session, project_id=project_id, lower=40, upper=300)


def test_a_snapshot_of_another_project_is_not_found():
    with write() as session:
        project_id, other = made.make_project(session), made.make_project(session)
        class_id = made.make_class(session, project_id)
        made.make_images(session, project_id, 10, class_id)
        snapshot = freeze(session, project_id=project_id, lower=5, upper=10)
        with pytest.raises(NotFound):
            get_snapshot(session, snapshot.id, other)
