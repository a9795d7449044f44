"""Suggestions from the production version: which come first in the queue, and under which class they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from app.core.database import read, write
from app.labelling import class_merge, classes, queue, service
from app.labelling.policies import Mix
from app.labelling.suggested import shown_suggestions
from tests.factories import labelling as make
from tests.factories.predictions import identify_as
from tests.factories.registry import deploy, tiny_version


@dataclass(frozen=True, slots=True)
class Identified:
    """Four images in the pool with the production version's scores for Lion, Tiger, Bear."""

    place: make.Workplace
    images: list[int]
    version_id: int


SCORES = [[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.1, 0.9, 0.0], [0.2, 0.55, 0.25]]


@pytest.fixture
def identified(installation: Path) -> Identified:  # noqa: ARG001 - must exist first
    with write() as session:
        place = make.workplace(session)
        images = make.images(session, place.project_id, 4)
    version = tiny_version(place.project_id, ["Lion", "Tiger", "Bear"])
    deploy(place.project_id, version.id)
    identify_as(place.project_id, version.id, images, SCORES)
    return Identified(place, images, version.id)


def handed(identified: Identified, policy: str, *, to: int | None = None, count: int = 10) -> list[int]:
    who = {"project_id": identified.place.project_id, "user_id": to or identified.place.ann}
    with write() as session:
        return [image.id for image in queue.next_images(session, **who, count=count, mix=Mix.parse(policy)).images]


def queued(identified: Identified, policy: str, **values: int) -> list[int]:
    found = handed(identified, policy, **values)
    return [identified.images.index(image_id) for image_id in found if image_id in identified.images]


def test_the_least_sure_come_first_then_what_has_no_prediction(identified: Identified):
    with write() as session:
        (unseen,) = make.images(session, identified.place.project_id, 1, start=9)
    assert queued(identified, "uncertain", count=2) == [1, 3]
    later = handed(identified, "uncertain", to=identified.place.ben)
    assert later == [identified.images[0], identified.images[2], unseen]


def test_a_class_s_look_alikes_come_surest_first_or_least_sure_first(identified: Identified):
    tiger = identified.place.tiger
    assert queued(identified, f"class.{tiger}") == [2, 3]
    assert queued(identified, f"class_unsure.{tiger}") == [3, 2]
    assert queued(identified, f"class.{identified.place.bear}") == []


def test_arrivals_identified_later_stand_beside_the_first_ones(identified: Identified):
    with write() as session:
        (arrival,) = make.images(session, identified.place.project_id, 1, start=9)
    identify_as(identified.place.project_id, identified.version_id, [arrival], [[0.45, 0.3, 0.25]])
    found = handed(identified, "uncertain")
    assert found[:3] == [identified.images[1], arrival, identified.images[3]]


def test_a_labelled_image_is_no_longer_among_them(identified: Identified):
    with write() as session:
        service.apply_one_label_to(
            session,
            project_id=identified.place.project_id,
            user_id=identified.place.ben,
            image_ids=[identified.images[1]],
            class_id=identified.place.lion,
        )
    assert queued(identified, "uncertain") == [3, 0, 2]


def test_suggestions_go_by_today_s_names_and_follow_a_merge(identified: Identified):
    place, (first, *_) = identified.place, identified.images
    with write() as session:
        classes.change_class(
            session, project_id=place.project_id, class_id=place.tiger, name="Tigris", note="", user_id=place.rita
        )
        class_merge.merge_classes(
            session, project_id=place.project_id, source_id=place.lion, target_id=place.tiger, user_id=place.rita
        )
        classes.archive_class(session, project_id=place.project_id, class_id=place.bear, user_id=place.rita)
    with read() as session:
        shown = shown_suggestions(session, place.project_id, [first])
    assert (shown.version_id, shown.version_number) == (identified.version_id, 1)
    (only,) = shown.by_image[first]
    assert (only.class_id, only.name, round(only.confidence, 2)) == (place.tiger, "Tigris", 0.7)


def test_both_of_two_classes_that_a_version_took_for_one_are_offered(identified: Identified):
    place, (first, *_) = identified.place, identified.images
    with write() as session:
        puma = classes.create_class(session, project_id=place.project_id, name="Puma").id
        who = {"project_id": place.project_id, "user_id": place.rita}
        class_merge.train_as(session, class_id=puma, as_id=place.lion, **who)
        offered = shown_suggestions(session, place.project_id, [first]).by_image[first]
        lion, twin = (each for each in offered if each.class_id in {place.lion, puma})
        assert (lion.class_id, twin.class_id, twin.name) == (place.lion, puma, "Puma")
        assert lion.confidence == twin.confidence
        class_merge.part(session, class_id=puma, **who)
        offered = shown_suggestions(session, place.project_id, [first]).by_image[first]
    assert puma not in {each.class_id for each in offered}


def test_an_accepted_suggestion_keeps_its_version_and_confidence(identified: Identified):
    place, (first, *_) = identified.place, identified.images
    with write() as session:
        service.apply_one_label_to(
            session,
            project_id=place.project_id,
            user_id=place.ann,
            image_ids=[first],
            class_id=place.lion,
            how="accepted_suggestion",
            suggested_by_version_id=identified.version_id,
            confidences={first: 0.7},
        )
        (event,) = make.history(session, first)
    assert (event.how, event.suggested_by_version_id, event.suggestion_confidence) == (
        *("accepted_suggestion", identified.version_id),
        0.7,
    )


def test_before_a_first_promotion_the_newest_version_that_may_serve_suggests(installation: Path):  # noqa: ARG001 - must exist first
    with write() as session:
        place = make.workplace(session)
        images = make.images(session, place.project_id, 4)
    names = ["Lion", "Tiger", "Bear"]
    with read() as session:
        assert shown_suggestions(session, place.project_id, images).version_id is None
    older, newer = (tiny_version(place.project_id, names, seed=seed) for seed in (1, 2))
    thrown = tiny_version(place.project_id, names, seed=3, throwaway=True)
    for version, scores in ((older, SCORES[::-1]), (newer, SCORES), (thrown, SCORES[::-1])):
        identify_as(place.project_id, version.id, images, scores)
    found = Identified(place, images, newer.id)
    with read() as session:
        assert shown_suggestions(session, place.project_id, images).version_id == newer.id
    assert queued(found, "uncertain") == [1, 3, 0, 2]
    deploy(place.project_id, older.id)
    with read() as session:
        assert shown_suggestions(session, place.project_id, images).version_id == older.id
