"""Splits: drawn once, by linked groups, stratified."""

from collections import Counter, defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from app.core.database import read, write
from app.datasets.schemas import ImageColumns
from app.datasets.service import draw_splits
from app.datasets.splitting import components, draw
from app.library.models import Image
from tests.datasets.columns import columns_of, libraries, rearranged
from tests.factories import datasets as made


def sides_by_component(columns: ImageColumns, split: np.ndarray, leaked: np.ndarray) -> list[set[int]]:
    linked = components(columns.duplicate_group, columns.capture_group)
    sides: defaultdict[int, set[int]] = defaultdict(set)
    for number, side, is_leaked in zip(linked, split, leaked, strict=True):
        if side >= 0 and not is_leaked:
            sides[int(number)].add(int(side))
    return list(sides.values())


@given(libraries())
@settings(max_examples=40)
def test_no_linked_group_straddles_two_splits(columns: ImageColumns):
    decided = draw(columns, seed=0)
    assert all(len(sides) == 1 for sides in sides_by_component(columns, decided.split, decided.leaked))
    assert not decided.leaked.any()


@given(libraries(), st.integers(0, 2**31 - 1))
@settings(max_examples=40)
def test_staged_synthetic_and_benchmark_images_are_never_measured(columns: ImageColumns, seed: int):
    decided = draw(columns, seed=seed)
    assert not np.any(decided.split[columns.origin > 0] > 0)
    assert not np.any(decided.split[columns.benchmark] >= 0)
    assert not np.any(decided.split[decided.aside] >= 0)


@given(libraries(), libraries())
@settings(max_examples=40)
def test_no_image_changes_side_however_the_library_changes(first: ImageColumns, later: ImageColumns):
    decided = draw(first, seed=0)
    count = min(len(first), len(later))
    known = np.full(len(later), -1, dtype=np.int64)
    known[:count] = decided.split[:count]
    grown = ImageColumns(**{**vars(later), "split": known})
    again = draw(grown, seed=1)
    assert np.array_equal(again.split[known >= 0], known[known >= 0])
    leaked = again.leaked
    assert all(len(sides) == 1 for sides in sides_by_component(grown, again.split, leaked))


@given(libraries(), st.integers(0, 1000))
@settings(max_examples=40)
def test_the_same_library_and_seed_give_the_same_splits(columns: ImageColumns, seed: int):
    assert np.array_equal(draw(columns, seed=seed).split, draw(columns, seed=seed).split)


@given(libraries(), st.integers(0, 1000), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_rows_does_not_matter(columns: ImageColumns, seed: int, shuffler: Random):
    order = np.array(shuffler.sample(range(len(columns)), len(columns)))
    assert np.array_equal(draw(rearranged(columns, order), seed=seed).split, draw(columns, seed=seed).split[order])


@pytest.mark.parametrize("groups", [3, 4, 5, 6, 7, 10, 20, 100])
def test_a_class_of_three_groups_or_more_gets_one_on_every_side(groups: int):
    decided = draw(columns_of(groups * 2, capture_group=np.repeat(np.arange(1, groups + 1), 2)), seed=3)
    assert set(decided.split) == {0, 1, 2}


@pytest.mark.parametrize("groups", [1, 2])
def test_a_class_of_fewer_than_three_groups_only_trains(groups: int):
    decided = draw(columns_of(groups * 20, capture_group=np.repeat(np.arange(1, groups + 1), 20)), seed=3)
    assert set(decided.split) == {0}


def test_the_shares_asked_for_hold_in_every_class_and_sub_class():
    classes = np.repeat([1, 2, 3, 4], [400, 200, 100, 40])
    sub_classes = np.concatenate([np.repeat(np.arange(1, 5), size // 4) for size in (400, 200, 100, 40)])
    columns = columns_of(740, class_id=classes, sub_class_id=sub_classes)
    split = draw(columns, seed=5).split
    for class_id in range(1, 5):
        obtained = np.bincount(split[classes == class_id], minlength=3) / np.sum(classes == class_id)
        assert np.allclose(obtained, (0.7, 0.15, 0.15), atol=0.03)
        for sub_class_id in range(1, 5):
            inside = split[(classes == class_id) & (sub_classes == sub_class_id)]
            assert set(inside) == {0, 1, 2}


def test_later_images_fill_what_the_class_lacks():
    first = draw(columns_of(100), seed=0)
    grown = columns_of(200, split=np.concatenate([first.split, np.full(100, -1)]))
    counts = np.bincount(draw(grown, seed=0).split)
    assert np.allclose(counts / 200, (0.7, 0.15, 0.15), atol=0.02)


def test_a_new_member_of_a_group_inherits_its_split_and_a_staged_one_stays_out_of_measured_groups():
    columns = columns_of(
        4, duplicate_group=[7, 7, 8, 8], split=[2, -1, 1, -1], origin=[0, 0, 0, 1], representative=[True] * 4
    )
    decided = draw(columns, seed=0)
    assert decided.split.tolist() == [2, 2, 1, -1]


def test_images_on_different_sides_that_prove_one_group_retire_the_measured_one():
    columns = columns_of(5, duplicate_group=[1, 1, 2, 2, 0], split=[0, 2, 1, 2, 2])
    decided = draw(columns, seed=0)
    assert decided.leaked.tolist() == [False, True, False, True, False]
    assert decided.split.tolist() == [0, 2, 1, 2, 2]


def test_groups_link_through_images_that_share_them():
    linked = components(np.array([1, 1, 0, 2, 2, 0]), np.array([0, 5, 5, 5, 0, 0]))
    assert len(set(linked[:5])) == 1
    assert linked[5] != linked[0]


@pytest.mark.usefixtures("installation")
def test_a_draw_is_written_once_and_kept():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        ids = made.make_images(session, project_id, 40, class_id)
        pool = made.make_images(session, project_id, 5)
        first = draw_splits(session, project_id)
    assert (first.train, first.validation, first.test) == (28, 6, 6)
    with read() as session:
        before = dict(session.execute(select(Image.id, Image.split).where(Image.id.in_(ids))).all())
    with write() as session:
        session.execute(update(Image).where(Image.id.in_(ids[:20])).values(quality="blurred"))
        made.make_images(session, project_id, 30, class_id)
        draw_splits(session, project_id, seed=9)
    with read() as session:
        after = dict(session.execute(select(Image.id, Image.split).where(Image.id.in_(ids))).all())
        of_pool = set(session.scalars(select(Image.split).where(Image.id.in_(pool))))
    assert after == before
    assert Counter(after.values())["train"] == 28
    assert of_pool == {None}
