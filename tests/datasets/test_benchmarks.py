"""Benchmark sets and exposure."""

import pytest
from sqlalchemy import select

from app.core.database import write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.datasets.benchmarks import extend_benchmark_set, make_benchmark_set
from app.datasets.models import BenchmarkImage
from app.datasets.queries import exposed, manifest
from app.datasets.service import freeze, preview
from app.library.models import Image
from tests.factories import datasets as made

pytestmark = pytest.mark.usefixtures("installation")


def test_truth_is_the_label_unless_given_and_none_where_settled_so():
    with write() as session:
        project_id = made.make_project(session)
        apple, pear = (made.make_class(session, project_id) for _ in range(2))
        labelled = made.make_images(session, project_id, 2, apple)
        none = made.make_images(session, project_id, 1, state="none")
        pool = made.make_images(session, project_id, 2)
        made_set = make_benchmark_set(
            session,
            project_id=project_id,
            name=" Field photos ",
            image_ids=[*labelled, *none, *pool],
            truths={labelled[1]: pear, pool[0]: None, pool[1]: pear},
        )
        truths = dict(
            session.execute(
                select(BenchmarkImage.image_id, BenchmarkImage.class_id).where(BenchmarkImage.set_id == made_set.id)
            ).all()
        )
    assert (made_set.name, made_set.version) == ("Field photos", 1)
    assert truths == {labelled[0]: apple, labelled[1]: pear, none[0]: None, pool[0]: None, pool[1]: pear}


def test_its_images_their_duplicates_and_what_is_linked_never_train():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        duplicates = made.make_duplicate_group(session, project_id)
        burst = made.make_capture_group(session, project_id)
        chosen = made.make_images(session, project_id, 1, class_id, duplicate_group_id=duplicates)
        twin = made.make_images(session, project_id, 1, class_id, duplicate_group_id=duplicates, capture_group_id=burst)
        mates = made.make_images(session, project_id, 3, class_id, capture_group_id=burst)
        made.make_images(session, project_id, 20, class_id)
        make_benchmark_set(session, project_id=project_id, name="field", image_ids=chosen)
        snapshot = freeze(session, project_id=project_id, lower=5, upper=100)
        taken = set(manifest(session, snapshot.id).image_ids.tolist())
        apart = set(session.scalars(select(Image.id).where(Image.in_benchmark)))
        shown = preview(session, project_id, 5, 100)
    assert apart == {*chosen, *twin}
    assert not taken & {*chosen, *twin, *mates}
    assert shown.classes[0].usable == snapshot.images == 20
    assert shown.left_out == {"in a benchmark set, or linked with one": 5}


def test_an_image_is_exposed_by_itself_or_by_a_duplicate_that_trained_or_validated():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        group = made.make_duplicate_group(session, project_id)
        made.make_images(session, project_id, 20, class_id)
        trained = made.make_images(session, project_id, 1, class_id, split="train", duplicate_group_id=group)
        twin = made.make_images(session, project_id, 1, class_id, duplicate_group_id=group, is_representative=False)
        tested = made.make_images(session, project_id, 1, class_id, split="test")
        fresh = made.make_images(session, project_id, 1)
        snapshot = freeze(session, project_id=project_id, lower=5, upper=100)
        asked = [*trained, *twin, *tested, *fresh]
        assert exposed(session, [snapshot.id], asked) == {*trained, *twin}
        assert exposed(session, [], asked) == set()


def test_a_change_makes_a_new_version():
    with write() as session:
        project_id = made.make_project(session)
        class_id = made.make_class(session, project_id)
        first_images, more = (made.make_images(session, project_id, 2, class_id) for _ in range(2))
        first = make_benchmark_set(session, project_id=project_id, name="field", image_ids=first_images)
        second = extend_benchmark_set(
            session, first.id, project_id=project_id, image_ids=[first_images[0], *more], truths={more[0]: None}
        )
        rows = session.execute(select(BenchmarkImage.set_id, BenchmarkImage.image_id)).all()
        with pytest.raises(Conflict, match="not the newest"):
            extend_benchmark_set(session, first.id, project_id=project_id, image_ids=more)
        with pytest.raises(Conflict, match="already"):
            make_benchmark_set(session, project_id=project_id, name="field", image_ids=more)
    assert (second.name, second.version) == ("field", 2)
    assert [row.set_id for row in rows].count(first.id) == 2
    assert [row.set_id for row in rows].count(second.id) == 4


def test_what_has_no_truth_or_is_not_ours_is_refused():
    with write() as session:
        project_id, other = made.make_project(session), made.make_project(session)
        foreign_class = made.make_class(session, other)
        foreign = made.make_images(session, other, 1)
        pool = made.make_images(session, project_id, 2)
        removed = made.make_images(session, project_id, 1, state="removed")
        for image_ids, truths, error, words in (
            ([], {}, InvalidInput, "at least one"),
            (pool, {pool[0]: None}, InvalidInput, "1 of 2 images have no label"),
            (removed, {removed[0]: None}, InvalidInput, "removed or quarantined"),
            (foreign, {foreign[0]: None}, NotFound, "not in this project"),
            (pool, dict.fromkeys(pool, foreign_class), NotFound, "no class"),
        ):
            with pytest.raises(error, match=words):
                make_benchmark_set(session, project_id=project_id, name="field", image_ids=image_ids, truths=truths)
