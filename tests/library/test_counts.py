"""The kept counts equal a full count, whatever is inserted and changed."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import case, select

from app.core.database import write
from app.library.counts import CountKey, kept_counts, recount
from app.library.models import Image
from app.library.service import change_images
from tests.factories import labelling
from tests.factories.library import add_images

pytestmark = pytest.mark.usefixtures("installation")
_names = (f"Project {number}" for number in itertools.count())

origins = st.sampled_from(["real", "staged", "synthetic"])
labels = st.sampled_from(["pool", "unknown", "none", "removed", "quarantined", "Lion", "Tiger"])
picks = st.lists(st.integers(0, 11), max_size=8)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("label"), picks, labels),
        st.tuples(st.just("origin"), picks, origins),
        st.tuples(st.just("add"), st.just([]), origins),
        st.tuples(st.just("by query"), st.just([]), labels),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes)
def test_kept_counts_equal_a_recount_after_any_changes(changes: list[tuple[str, list[int], str]]):
    with write() as session:
        place = labelling.workplace(session, next(_names))
        ids = add_images(session, place.project_id, 12)
        classes = {"Lion": place.lion, "Tiger": place.tiger}
        for act, picked, value in changes:
            label = {"state": "labelled" if value in classes else value, "class_id": classes.get(value)}
            if act == "add":
                ids += add_images(session, place.project_id, 2, origin=value)
            elif act == "origin":
                change_images(session, [ids[pick] for pick in picked], project_id=place.project_id, origin=value)
            elif act == "label":
                change_images(session, [ids[pick] for pick in picked], project_id=place.project_id, **label)
            else:
                pool = select(Image.id).where(Image.state == "pool")
                change_images(session, pool, project_id=place.project_id, **label)
            kept = kept_counts(session, place.project_id)
            assert kept == recount(session, place.project_id)
            assert sum(kept.values()) == len(ids)


def test_a_change_tells_how_many_images_of_the_project_there_were_and_touches_no_other_project():
    with write() as session:
        ours, theirs = labelling.project(session, "Ours"), labelling.project(session, "Theirs")
        mine, foreign = add_images(session, ours, 3), add_images(session, theirs, 2)
        changed = change_images(session, mine[:2] + foreign + [999_999], project_id=ours, state="unknown")
        assert changed == 2
        assert kept_counts(session, ours) == {CountKey(0, "unknown", "real"): 2, CountKey(0, "pool", "real"): 1}
        assert kept_counts(session, theirs) == {CountKey(0, "pool", "real"): 2}


def test_values_computed_in_sql_are_counted_as_they_come_out():
    with write() as session:
        place = labelling.workplace(session)
        ids = add_images(session, place.project_id, 4)
        newest = Image.id > ids[1]
        change_images(session, ids, project_id=place.project_id, state=case((newest, "none"), else_="unknown"))
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)
        assert recount(session, place.project_id)[CountKey(0, "none", "real")] == 2
