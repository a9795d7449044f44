"""The queue's policies: what each hands out first, mixes of them, and that settled images are passed once only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, update

from app.core.clock import now
from app.core.database import insert_into, read, write
from app.core.errors import InvalidInput
from app.embeddings.models import Clustering, ImageCluster
from app.labelling import orders, queue, service
from app.labelling.policies import Mix
from app.labelling.queue_models import QueueEntry, QueueOrder
from app.library.filters import ImageFilter
from app.library.views import save_view
from app.registry.models import ModelVersion
from tests.factories import labelling as make
from tests.factories.predictions import identify_as
from tests.factories.registry import deploy, tiny_version

# Lion, Tiger, Bear. By confidence 1 3 0 4 2, by margin 1 4 0 3 2, by entropy 1 3 0 4 2.
SCORES = [[0.62, 0.28, 0.10], [0.4, 0.35, 0.25], [0.05, 0.9, 0.05], [0.6, 0.2, 0.2], [0.63, 0.37, 0.0]]


@dataclass(frozen=True, slots=True)
class Library:
    """Five images in the pool that the production version has identified."""

    place: make.Workplace
    images: list[int]
    version_id: int


@pytest.fixture
def library(installation: Path) -> Library:  # noqa: ARG001 - must exist first
    with write() as session:
        place = make.workplace(session)
        images = make.images(session, place.project_id, 5)
    version = tiny_version(place.project_id, ["Lion", "Tiger", "Bear"])
    deploy(place.project_id, version.id)
    identify_as(place.project_id, version.id, images, SCORES)
    return Library(place, images, version.id)


def queued(library: Library, policy: str, *, count: int = 10, given: int = 0, to: int | None = None) -> list[int]:
    """Places of the images handed out."""
    with write() as session:
        handed = queue.next_images(
            session,
            project_id=library.place.project_id,
            user_id=to or library.place.ann,
            count=count,
            mix=Mix.parse(policy),
            given=given,
        )
    return [library.images.index(image.id) for image in handed.images]


def settle(library: Library, *places: int) -> None:
    with write() as session:
        service.apply_one_label_to(
            session,
            project_id=library.place.project_id,
            user_id=library.place.ben,
            image_ids=[library.images[place] for place in places],
            class_id=library.place.lion,
        )


def cluster(library: Library, places: list[tuple[int, int]]) -> None:
    """Put the images into clusters: (cluster, rank) of each."""
    project_id = library.place.project_id
    with write() as session:
        trunk_id = session.get_one(ModelVersion, library.version_id).trunk_id
        session.add(
            Clustering(project_id=project_id, trunk_id=trunk_id, clusters=3, images=5, centres=b"", created_at=now())
        )
        session.flush()
        rows = [
            {
                "project_id": project_id,
                "trunk_id": trunk_id,
                "image_id": image_id,
                "cluster": place[0],
                "rank": place[1],
            }
            for image_id, place in zip(library.images, places, strict=True)
        ]
        session.connection().execute(insert_into(session, ImageCluster), rows)


@pytest.mark.parametrize(
    ("policy", "order"),
    [
        ("uncertain", [1, 3, 0, 4, 2]),
        ("margin", [1, 4, 0, 3, 2]),
        ("entropy", [1, 3, 0, 4, 2]),
        ("newest", [4, 3, 2, 1, 0]),
        ("oldest", [0, 1, 2, 3, 4]),
    ],
)
def test_each_measure_gives_its_order(library: Library, policy: str, order: list[int]):
    assert queued(library, policy) == order


def test_the_rarest_predicted_class_comes_first(library: Library):
    with write() as session:
        tigers = make.images(session, library.place.project_id, 3, start=20)
        service.apply_one_label_to(
            session,
            project_id=library.place.project_id,
            user_id=library.place.ben,
            image_ids=tigers,
            class_id=library.place.lion,
        )
    assert queued(library, "rare") == [2, 4, 0, 3, 1]


def test_where_the_two_newest_versions_disagree(library: Library):
    assert queued(library, "disagreement") == []
    newer = tiny_version(library.place.project_id, ["Lion", "Tiger", "Bear"], seed=3)
    swapped = [[row[1], row[0], row[2]] if place in {1, 4} else row for place, row in enumerate(SCORES)]
    identify_as(library.place.project_id, newer.id, library.images, swapped)
    assert queued(library, "disagreement") == [4, 1]


def test_one_of_each_cluster_without_a_label_then_by_rank(library: Library):
    cluster(library, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0)])
    assert queued(library, "diverse") == [0, 3, 4, 1, 2]


def test_a_cluster_with_a_label_waits_for_those_without(library: Library):
    cluster(library, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0)])
    settle(library, 1, 3)
    assert queued(library, "diverse") == [4, 0, 2]


def test_a_saved_view_hands_out_what_waits_in_it(library: Library):
    with write() as session:
        staged = make.images(session, library.place.project_id, 2, start=30, origin="staged")
        who = {"project_id": library.place.project_id, "user_id": library.place.ann}
        view = save_view(session, name="Staged", chosen=ImageFilter(origin="staged"), size=None, **who)
        handed = queue.next_images(session, mix=Mix.parse(f"view.{view.id}"), **who)
    assert [image.id for image in handed.images] == staged[::-1]


def test_a_mix_takes_turns_by_its_shares_and_goes_on_where_it_was():
    mix = Mix.parse("uncertain:50,diverse:30,newest:20")
    turns = [part.policy.value for part in mix.turns(0, 10)]
    assert {name: turns.count(name) for name in turns} == {"uncertain": 5, "diverse": 3, "newest": 2}
    assert turns[:3] == ["uncertain", "diverse", "newest"]
    assert mix.turns(0, 100)[40:50] == mix.turns(40, 10) == mix.turns(140, 10)
    assert str(mix) == "uncertain:50,diverse:30,newest:20"


def test_a_mix_hands_out_each_image_once_and_others_fill_in(library: Library):
    assert queued(library, "uncertain:1,oldest:1", count=4) == [1, 0, 3, 2]
    assert queued(library, "disagreement:1,newest:1", to=library.place.ben) == [4]


@pytest.mark.parametrize(
    "text",
    ["", "loudest", "uncertain:0", "uncertain:101", "class", "newest.5", "newest,newest", "newest:1:2", "class.1;drop"],
)
def test_what_is_no_policy_is_refused(text: str):
    with pytest.raises(InvalidInput):
        Mix.parse(text)


def test_what_is_settled_is_walked_past_once(library: Library):
    settle(library, 1, 3)
    assert queued(library, "uncertain", count=2) == [0, 4]
    with read() as session:
        order = session.scalars(select(QueueOrder)).one()
        kept = list(session.scalars(select(QueueEntry.image_id).order_by(QueueEntry.position)))
        cursors = order.cursors
    assert kept == [library.images[place] for place in (0, 4, 2)]
    settle(library, 0, 4)
    assert queued(library, "uncertain") == [2]
    with read() as session:
        assert session.scalars(select(QueueOrder)).one().cursors == cursors
        assert session.scalars(select(QueueEntry.image_id)).all() == [library.images[2]]


def test_an_order_begins_anew_with_another_version_and_some_time_after_its_end(library: Library):
    assert queued(library, "uncertain")[0] == 1
    with write() as session:
        session.execute(update(QueueOrder).values(ended_at=now() - 2 * orders.AGAIN))
    assert queued(library, "uncertain")[0] == 1
    with write() as session:
        session.execute(update(QueueOrder).values(source="version 999"))
    assert queued(library, "uncertain")[0] == 1


def test_people_at_once_never_get_the_same_image_of_an_order(library: Library):
    start = Barrier(len(library.images))
    with write() as session:
        people = [make.user(session, f"person {number}") for number in library.images]

    def take(user_id: int) -> list[int]:
        start.wait()
        return queued(library, "uncertain:1,margin:1", count=1, to=user_id)

    with ThreadPoolExecutor(len(people)) as pool:
        handed = [place for places in pool.map(take, people) for place in places]
    assert sorted(handed) == list(range(len(library.images)))
