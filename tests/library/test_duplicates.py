"""Near duplicates are found, joined into one group with one representative, and never measured against each other."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import read, write
from app.imaging.measures import phash_distance
from app.library.duplicates import conflicting_groups, find_near, group_new, tells_something
from app.library.grouping import components
from app.library.models import DuplicateGroup, Image
from app.library.service import change_images
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.factories.library import add_images

BASE = 0x1234_5678_9ABC_DEF0


def flipped(phash: int, *bits: int):
    """The hash with some bits changed, as a signed number."""
    for bit in bits:
        phash ^= 1 << bit
    phash &= (1 << 64) - 1
    return phash - (1 << 64) if phash >> 63 else phash


@pytest.fixture
def place(installation: Path) -> Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return labelling.workplace(session)


def add_picture(session: Session, place: Workplace, phash: int, **values: Any):
    """An image that arrives with this hash and is grouped as an import groups it."""
    sizes = {"width": 100, "height": 100, "sharpness": 10.0}
    (image_id,) = add_images(session, place.project_id, phash=phash, **(sizes | values))
    group_new(session, place.project_id, {image_id: phash})
    return image_id


def stored(session: Session, image_id: int):
    return session.get_one(Image, image_id, populate_existing=True)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_components_join_exactly_what_is_linked(pairs: list[tuple[int, int]]):
    sets = [set(members) for members in components(pairs)]
    for left, right in pairs:
        assert any({left, right} <= members for members in sets)
    assert sum(len(members) for members in sets) == len({node for pair in pairs for node in pair})


def test_search_by_four_indexed_parts_finds_what_comparing_all_finds(place: Workplace):
    hashes = [
        flipped(BASE, *bits) for bits in ([], [0], [0, 17], [0, 17, 34], [0, 17, 34, 51], [1, 2, 3], [60, 61, 62, 63])
    ]
    hashes += [flipped(~BASE, 5), -1, 0, 7]
    with write() as session:
        by_id = {add_images(session, place.project_id, phash=phash)[0]: phash for phash in hashes}
        for wanted in (BASE, hashes[3], -1):
            found = {image_id for _, image_id in find_near(session, place.project_id, [wanted]).pairs}
            assert found == {image_id for image_id, phash in by_id.items() if phash_distance(wanted, phash) <= 3}


def test_a_flat_picture_is_nobodys_duplicate(place: Workplace):
    assert not tells_something(0)
    assert not tells_something(-(1 << 63))
    with write() as session:
        first, second = add_picture(session, place, 0), add_picture(session, place, 0)
        assert stored(session, first).duplicate_group_id is None
        assert stored(session, second).duplicate_group_id is None


def test_pictures_within_three_bits_share_a_group_with_one_representative(place: Workplace):
    with write() as session:
        first = add_picture(session, place, BASE)
        second = add_picture(session, place, flipped(BASE, 1, 20, 40), width=200)
        apart = add_picture(session, place, flipped(BASE, 2, 21, 41, 60, 61))
        one, two, other = (stored(session, image_id) for image_id in (first, second, apart))
        assert one.duplicate_group_id == two.duplicate_group_id is not None
        assert other.duplicate_group_id is None
        assert (one.is_representative, two.is_representative, other.is_representative) == (False, True, True)


def test_a_picture_that_links_two_groups_makes_one_of_them(place: Workplace):
    with write() as session:
        left = [add_picture(session, place, BASE), add_picture(session, place, flipped(BASE, 1))]
        far = (30, 31, 32, 50)
        right = [add_picture(session, place, flipped(BASE, *bits)) for bits in (far, (*far, 51))]
        assert session.scalar(select(func.count()).select_from(DuplicateGroup)) == 2
        link = add_picture(session, place, flipped(BASE, 30, 31))
        groups = {stored(session, image_id).duplicate_group_id for image_id in (*left, *right, link)}
        assert len(groups) == 1
        assert session.scalar(select(func.count()).select_from(DuplicateGroup)) == 1
        standing = select(func.count()).where(Image.duplicate_group_id == groups.pop(), Image.is_representative)
        assert session.scalar(standing) == 1


def test_the_representative_is_labelled_then_good_then_largest_then_sharpest(place: Workplace):
    with write() as session:
        ids = [
            add_picture(session, place, BASE, width=300),
            add_picture(session, place, BASE, width=200, sharpness=5.0),
            add_picture(session, place, BASE, width=200, sharpness=50.0),
        ]

        def standing() -> list[bool]:
            return [stored(session, image_id).is_representative for image_id in ids]

        assert standing() == [True, False, False]
        change_images(session, ids[1:], project_id=place.project_id, state="labelled", class_id=place.lion)
        assert standing() == [False, False, True]
        change_images(session, [ids[2]], project_id=place.project_id, quality="blurred")
        assert standing() == [False, True, False]
        change_images(session, ids[1:], project_id=place.project_id, state="removed", class_id=None)
        assert standing() == [True, False, False]


@pytest.mark.parametrize(
    ("splits", "leaked"),
    [
        (("train", "test"), [False, True]),
        (("validation", "train"), [True, False]),
        (("validation", "test"), [False, True]),
        (("test", "test"), [False, False]),
        ((None, "test"), [False, False]),
    ],
)
def test_of_two_sides_that_prove_one_picture_the_measuring_one_is_retired(
    place: Workplace, splits: tuple[str | None, str | None], leaked: list[bool]
):
    with write() as session:
        ids = [
            add_picture(session, place, flipped(BASE, *bits), split=split)
            for bits, split in zip(([], [30, 31, 32, 33, 34]), splits, strict=True)
        ]
        add_picture(session, place, flipped(BASE, 30, 31, 32))
        assert [stored(session, image_id).leaked for image_id in ids] == leaked
        assert [stored(session, image_id).split for image_id in ids] == list(splits)


def test_pictures_of_one_chunk_are_compared_with_each_other_and_with_what_came_since_the_search(place: Workplace):
    with write() as session:
        nearby = find_near(session, place.project_id, [BASE])
        late = add_images(session, place.project_id, phash=BASE)[0]
        first, second = (add_images(session, place.project_id, phash=flipped(BASE, bit))[0] for bit in (3, 4))
        group_new(session, place.project_id, {first: flipped(BASE, 3), second: flipped(BASE, 4)}, nearby)
        groups = {stored(session, image_id).duplicate_group_id for image_id in (late, first, second)}
        assert len(groups) == 1
        assert None not in groups


def test_groups_whose_members_carry_different_classes_are_listed(place: Workplace):
    with write() as session:
        for phash, classes in ((BASE, (place.lion, place.tiger)), (flipped(~BASE, 9), (place.lion, place.lion))):
            for class_id in classes:
                add_picture(session, place, phash, state="labelled", class_id=class_id)
            add_picture(session, place, phash)
    with read() as session:
        divided = conflicting_groups(session, place.project_id)
        assert len(divided) == 1
        assert conflicting_groups(session, place.project_id, before=divided[0]) == []


def test_duplicates_in_another_project_are_none_of_ours(place: Workplace):
    with write() as session:
        other = labelling.workplace(session, "Other")
        add_picture(session, other, BASE)
        assert stored(session, add_picture(session, place, BASE)).duplicate_group_id is None
