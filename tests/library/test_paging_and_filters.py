"""Pages lose no image, counts agree with them, and nothing outside the closed list can be filtered by."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import InvalidInput
from app.library.filters import ImageFilter
from app.library.models import ImageSource, LabelConflict
from app.library.queries import count, neighbours, page
from app.library.service import change_images
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.factories.library import add_batch, add_images


@pytest.fixture
def zoo(installation: Path) -> Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        place = labelling.workplace(session)
        add_images(session, place.project_id, 7)
        add_images(session, place.project_id, 6, state="labelled", class_id=place.lion)
        add_images(session, place.project_id, 5, state="labelled", class_id=place.tiger, origin="staged")
        add_images(session, place.project_id, 3, state="removed")
        add_images(session, place.project_id, 2, state="quarantined")
    return place


def ids_shown(project_id: int, chosen: ImageFilter, limit: int = 4):
    """All ids by paging to the end and back again, which must show the same."""
    with read() as session:
        found = page(session, project_id, chosen, limit=limit)
        assert found.newer is None
        down, pages = [image.id for image in found.images], 1
        while found.older is not None:
            found = page(session, project_id, chosen, before=found.older, limit=limit)
            down += [image.id for image in found.images]
            pages += 1
        up = [image.id for image in found.images][::-1]
        while found.newer is not None:
            found = page(session, project_id, chosen, after=found.newer, limit=limit)
            up += [image.id for image in found.images][::-1]
    assert sorted(set(up)) == up
    assert set(up) <= set(down)
    return down


@pytest.mark.parametrize("limit", [1, 4, 6, 100])
def test_paging_down_and_up_loses_no_image(zoo: Workplace, limit: int):
    shown = ids_shown(zoo.project_id, ImageFilter(), limit)
    assert len(shown) == 18
    assert shown == sorted(shown, reverse=True)


def test_going_back_from_the_end_shows_every_image_again(zoo: Workplace):
    with read() as session:
        oldest = page(session, zoo.project_id, ImageFilter(), limit=100).images[-1].id
        seen, after = [oldest], oldest
        while after is not None:
            found = page(session, zoo.project_id, ImageFilter(), after=after, limit=5)
            seen += [image.id for image in reversed(found.images)]
            after = found.newer
    assert len(seen) == 18


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 18),
        ("state=any", 23),
        ("state=pool", 7),
        ("state=quarantined", 2),
        ("origin=staged", 5),
        ("origin=staged&state=pool", 0),
        ("quality=unjudged", 18),
        ("quality=not_good", 0),
        ("split=none", 18),
        ("split=train", 0),
        ("in_benchmark=false", 18),
        ("has_duplicates=true", 0),
        ("is_small_subject=true", 0),
        ("reviewed=true", 0),
        ("leaked=false", 18),
        ("conflict=false", 18),
        ("text=PHOTO-", 18),
        ("text=%25", 0),
        ("text=_____", 0),
    ],
)
def test_each_filter_counts_what_it_shows(zoo: Workplace, query: str, expected: int):
    chosen = ImageFilter.from_query(parse_qsl(query))
    with read() as session:
        total = count(session, zoo.project_id, chosen)
    assert (total.images, total.is_exact) == (expected, True)
    assert len(ids_shown(zoo.project_id, chosen)) == expected


def test_class_filters_are_answered_from_the_kept_counts_and_agree_with_the_pages(zoo: Workplace):
    chosen = ImageFilter(class_id=zoo.lion, state="labelled")
    with read() as session:
        assert count(session, zoo.project_id, chosen).images == len(ids_shown(zoo.project_id, chosen)) == 6


def test_a_count_stops_at_its_cap_and_says_so(zoo: Workplace):
    with read() as session:
        total = count(session, zoo.project_id, ImageFilter(reviewed=False), cap=10)
    assert (total.images, total.is_exact, total.words) == (10, False, "10+")


def test_an_import_filter_shows_what_arrived_in_it_known_bytes_too(zoo: Workplace):
    with write() as session:
        batch = add_batch(session, zoo.project_id)
        old, new = add_images(session, zoo.project_id), add_images(session, zoo.project_id, batch_id=batch)
        for name, image_id in (("a", old[0]), ("b", new[0])):
            session.add(ImageSource(image_id=image_id, batch_id=batch, name=name, created_at=now()))
    assert ids_shown(zoo.project_id, ImageFilter(batch_id=batch)) == [*new, *old]


def test_a_conflict_is_an_open_one_or_a_divided_duplicate_group(zoo: Workplace):
    with write() as session:
        lions = add_images(session, zoo.project_id, 2, state="labelled", class_id=zoo.lion)
        session.add(LabelConflict(project_id=zoo.project_id, image_id=lions[0], class_name="Bear", created_at=now()))
        settled = LabelConflict(
            project_id=zoo.project_id, image_id=lions[1], class_name="Bear", created_at=now(), settled_at=now()
        )
        session.add(settled)
    assert ids_shown(zoo.project_id, ImageFilter(conflict=True)) == [lions[0]]


def test_images_of_another_project_are_never_shown(zoo: Workplace):
    with write() as session:
        other = labelling.project(session, "Other")
        add_images(session, other, 4)
    assert len(ids_shown(zoo.project_id, ImageFilter(state="any"))) == 23
    assert len(ids_shown(other, ImageFilter(class_id=zoo.lion))) == 0


@pytest.mark.parametrize(
    "forbidden",
    [
        "project_id=2",
        "extra__secret=x",
        "user__password_hash=x",
        "created_by.password_hash=x",
        "id=1",
        "class_id__name=Lion",
    ],
)
def test_a_field_outside_the_list_changes_nothing(forbidden: str):
    chosen = ImageFilter.from_query(parse_qsl(f"state=pool&{forbidden}"))
    assert chosen == ImageFilter(state="pool")


@pytest.mark.parametrize(
    "query",
    ["state=gone", "class_id=x", "class_id=0", "class_id=99999999999999999999", "split=all", "reviewed=2"],
)
def test_a_value_that_is_not_allowed_is_refused(query: str):
    with pytest.raises(InvalidInput, match=query.split("=", maxsplit=1)[0]):
        ImageFilter.from_query(parse_qsl(query))


@given(
    st.builds(
        ImageFilter,
        state=st.sampled_from([None, "any", "pool", "none"]),
        class_id=st.none() | st.integers(1, 2**62),
        conflict=st.none() | st.booleans(),
        text=st.none() | st.text(min_size=1, max_size=20).filter(lambda text: bool(text.strip()) and "\0" not in text),
        split=st.sampled_from([None, "none", "test"]),
    )
)
def test_a_filter_survives_its_own_address(chosen: ImageFilter):
    address = chosen.address("/library", size="m")
    assert ImageFilter.from_query(parse_qsl(address.partition("?")[2])) == chosen


def test_neighbours_follow_the_filtered_list(zoo: Workplace):
    chosen = ImageFilter(state="pool")
    shown = ids_shown(zoo.project_id, chosen)
    with write() as session:
        beside = neighbours(session, zoo.project_id, chosen, shown[3])
        assert (beside.newer, beside.older) == (shown[2], shown[4])
        assert neighbours(session, zoo.project_id, chosen, shown[0]).newer is None
        change_images(session, [shown[3]], project_id=zoo.project_id, state="unknown")
        after = neighbours(session, zoo.project_id, chosen, shown[3])
    assert (after.newer, after.older) == (shown[2], shown[4])
