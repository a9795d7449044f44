"""Counting while cutoffs are moved: the same figures as a freshly made plan, however the library has changed."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.listing import list_classes
from app.datasets.recount import is_at_hand, recount
from app.datasets.schemas import CutoffChoice
from app.datasets.service import freeze, preview
from app.library.models import Image
from tests.factories import datasets as made

pytestmark = pytest.mark.usefixtures("installation")


def stocked() -> tuple[int, list[int]]:
    """A project of a large class with staged images and two sub-classes, and a small class; the large one's images."""
    with write() as session:
        project_id = made.make_project(session)
        lion, puma = (made.make_class(session, project_id, name) for name in ("Lion", "Puma"))
        male, cub = (made.make_sub_class(session, lion, name) for name in ("male", "cub"))
        ids = made.make_images(session, project_id, 40, lion, sub_class_id=male)
        ids += made.make_images(session, project_id, 2, lion, sub_class_id=cub)
        made.make_images(session, project_id, 10, lion, origin="staged")
        made.make_images(session, project_id, 12, puma)
    return project_id, ids


def test_any_cutoffs_count_as_a_plan_would():
    project_id, _ = stocked()

    @given(st.integers(1, 60), st.integers(0, 60), st.booleans(), st.integers(0, 2))
    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def check(lower: int, more: int, include_small: bool, seed: int) -> None:
        choice = CutoffChoice(lower, lower + more, include_small, seed)
        with read() as session:
            planned = preview(session, project_id, lower, lower + more, include_small=include_small, seed=seed)
            assert recount(session, project_id, choice).preview == planned

    check()
    assert is_at_hand(project_id)


def test_a_count_follows_what_happens_to_the_library():
    project_id, ids = stocked()
    choice = CutoffChoice(5, 100)

    def usable() -> int:
        with read() as session:
            return recount(session, project_id, choice).preview.classes[0].usable

    assert usable() == 52
    with write() as session:
        session.execute(update(Image).where(Image.id == ids[0]).values(quality="blurred"))
    assert usable() == 51
    with write() as session:
        make_benchmark_set(session, project_id=project_id, name="field", image_ids=ids[1:3])
    assert usable() == 49
    with write() as session:
        session.execute(update(Image).where(Image.id == ids[3]).values(is_small_subject=True))
    assert usable() == 48
    with read() as session, pytest.raises(InvalidInput):
        recount(session, project_id, CutoffChoice(5, 4))


def test_what_freezing_would_settle_is_told_before():
    project_id, ids = stocked()
    with read() as session:
        before = recount(session, project_id, CutoffChoice(5, 100))
    with write() as session:
        freeze(session, project_id=project_id, lower=5, upper=100)
        sides = {split: image_id for image_id, split in session.query(Image.id, Image.split).where(Image.id.in_(ids))}
        group = made.make_capture_group(session, project_id)
        linked = Image.id.in_([sides["train"], sides["test"]])
        session.execute(update(Image).where(linked).values(capture_group_id=group))
    with read() as session:
        after = recount(session, project_id, CutoffChoice(5, 100))
    assert (before.undrawn, before.leaked_now) == (64, ())
    assert (after.undrawn, after.leaked_now) == (0, (sides["test"],))


def test_gaps_and_classes_that_cannot_be_measured_are_found_and_sorted():
    project_id, _ = stocked()
    with read() as session:
        shown = recount(session, project_id, CutoffChoice(13, 50)).preview
        few = recount(session, project_id, CutoffChoice(1, 3)).preview
    listing = list_classes(shown, show="gaps", sort="total", down=True, find="LIO", page=9)
    assert [each.name for each in listing.classes] == ["Lion"]
    assert (listing.page, listing.counts["out"], listing.counts["made"]) == (1, 1, 1)
    cub = next(each for each in shown.sub_classes if each.name == "cub")
    assert cub.missing_from
    assert [each.measured for each in few.included] == [False, False]
    assert sum(shown.train_origins) == shown.taken[0]
