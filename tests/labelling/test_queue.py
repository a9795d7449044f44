"""The queue: what waits, in the chosen order, for one labeller at a time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text, update

from app.core.clock import now
from app.core.database import get_engine, is_sqlite, read, write
from app.labelling import queue
from app.labelling.policies import Mix
from app.labelling.queue_models import QueueLease
from app.library.models import IN_QUEUE
from tests.factories import labelling as make


@pytest.fixture
def place(installation: Path) -> make.Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return make.workplace(session)


@pytest.fixture
def pool(place: make.Workplace) -> list[int]:
    with write() as session:
        return make.images(session, place.project_id, 6)


def get(place: make.Workplace, user_id: int, count: int = 2, policy: str = "newest", **values: Any) -> list[int]:
    with write() as session:
        found = queue.next_images(
            session, project_id=place.project_id, user_id=user_id, count=count, mix=Mix.parse(policy), **values
        )
    return [image.id for image in found.images]


def test_the_newest_come_first_or_the_oldest(place: make.Workplace, pool: list[int]):
    assert get(place, place.ann, 3) == pool[:-4:-1]
    assert get(place, place.ann, 3, policy="oldest") == pool[:3]


def test_what_is_settled_not_good_or_stands_for_nothing_does_not_wait(place: make.Workplace):
    with write() as session:
        waits = make.images(session, place.project_id, 1)
        waits += make.images(session, place.project_id, 1, start=1, quality="good")
        make.images(session, place.project_id, 1, start=2, quality="blurred")
        make.images(session, place.project_id, 1, start=3, is_representative=False)
        make.images(session, place.project_id, 1, start=4, state="unknown")
        make.images(session, make.project(session, "Other"), 3)
        assert queue.waiting(session, place.project_id) == 2
    assert sorted(get(place, place.ann, 10)) == waits


@pytest.mark.usefixtures("pool")
def test_two_labellers_never_get_the_same_image_and_a_reload_gives_the_same(place: make.Workplace):
    ann = get(place, place.ann)
    assert not set(ann) & set(get(place, place.ben))
    assert get(place, place.ann) == ann


@pytest.mark.usefixtures("pool")
def test_those_in_hand_are_not_given_again_and_stay_leased(place: make.Workplace):
    first = get(place, place.ann)
    with write() as session:
        session.execute(update(QueueLease).values(until=now() + timedelta(seconds=5)))
    assert not set(get(place, place.ann, have=first)) & set(first)
    with read() as session:
        assert session.get_one(QueueLease, first[0]).until > now() + timedelta(minutes=9)


@pytest.mark.usefixtures("pool")
def test_an_expired_lease_is_free_for_others(place: make.Workplace):
    mine = get(place, place.ann)
    with write() as session:
        session.execute(update(QueueLease).values(until=now() - timedelta(seconds=1)))
    assert get(place, place.ben) == mine


@pytest.mark.usefixtures("pool")
def test_a_skipped_image_goes_to_others_and_not_back(place: make.Workplace):
    (image_id,) = get(place, place.ann, 1)
    with write() as session:
        queue.skip(session, project_id=place.project_id, user_id=place.ann, image_ids=[image_id])
    assert image_id not in get(place, place.ann, 10)
    with write() as session:
        session.execute(update(QueueLease).where(QueueLease.is_skipped.is_(False)).values(until=now()))
    assert get(place, place.ben, 1) == [image_id]


def test_an_image_of_another_project_cannot_be_skipped(place: make.Workplace):
    with write() as session:
        elsewhere = make.images(session, make.project(session, "Other"), 1)
        queue.skip(session, project_id=place.project_id, user_id=place.ann, image_ids=elsewhere)
        assert session.get(QueueLease, elsewhere[0]) is None


def test_without_predictions_the_uncertain_order_is_the_newest(place: make.Workplace, pool: list[int]):
    assert get(place, place.ann, 2, policy="uncertain") == pool[:-3:-1]
    assert get(place, place.ann, 2, policy=f"class.{place.lion}") == []


def test_the_queue_is_read_along_its_index(place: make.Workplace):
    asked: list[tuple[str, object]] = []

    def remember(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if IN_QUEUE in statement:
            asked.append((statement, parameters))

    event.listen(get_engine(), "before_cursor_execute", remember)
    get(place, place.ann)
    with read() as session:
        explain = "EXPLAIN QUERY PLAN " if is_sqlite(session) else "EXPLAIN "
        if not is_sqlite(session):
            session.execute(text("SET LOCAL enable_seqscan = off"))
        (statement, parameters) = asked[0]
        plan = session.connection().exec_driver_sql(explain + statement, parameters)  # type: ignore[arg-type]  # as given
        steps = " ".join(str(row[-1]) for row in plan)
    assert "ix_image_queue" in steps
    assert "TEMP B-TREE" not in steps
