"""Several people at the same moment, in threads with connections of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.core.errors import Conflict
from app.labelling import queue, service
from app.labelling.models import LabelAction, LabelEvent
from app.labelling.schemas import Act, LabelRequest
from app.library.counts import kept_counts, recount
from tests.factories import labelling as make

Answer = TypeVar("Answer")
PEOPLE = 6


def together(do: Callable[[int], Answer]) -> list[Answer]:
    """`do(0)` … `do(PEOPLE - 1)`, started at one moment."""
    start = Barrier(PEOPLE)

    def begin(number: int) -> Answer:
        start.wait()
        return do(number)

    with ThreadPoolExecutor(PEOPLE) as pool:
        return list(pool.map(begin, range(PEOPLE)))


@pytest.fixture
def place(installation: Path) -> make.Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return make.workplace(session)


def test_one_of_many_labels_the_image_and_the_others_learn_of_it(place: make.Workplace):
    with write() as session:
        image_ids = make.images(session, place.project_id, 5)

    def label(number: int) -> int:
        request = LabelRequest(
            image_ids=image_ids[number % 3 :],
            act=Act.LABEL,
            class_id=(place.lion, place.tiger, place.bear)[number % 3],
            versions=dict.fromkeys(image_ids, 0),
        )
        with write() as session:
            return service.act_on(
                session, request, project_id=place.project_id, user_id=place.ann, may_remove_many=False
            ).changed

    assert sum(together(label)) == len(image_ids)
    with read() as session:
        assert session.scalar(select(func.count()).select_from(LabelEvent)) == len(image_ids)
        assert kept_counts(session, place.project_id) == recount(session, place.project_id)


def test_a_request_sent_many_times_at_once_is_done_once(place: make.Workplace):
    with write() as session:
        image_ids = make.images(session, place.project_id, 3)

    def rotate(_: int) -> tuple[int, int]:
        request = LabelRequest(image_ids=image_ids, act=Act.ROTATE, request_key="tab-1:00000001")
        with write() as session:
            done = service.act_on(
                session, request, project_id=place.project_id, user_id=place.ann, may_remove_many=False
            )
            return done.action_id, done.changed

    assert len(set(together(rotate))) == 1
    with read() as session:
        assert [make.image(session, image_id).rotation for image_id in image_ids] == [90, 90, 90]


def test_an_act_is_undone_by_one_of_many(place: make.Workplace):
    with write() as session:
        image_ids = make.images(session, place.project_id, 3)
        done = service.apply_one_label_to(
            session, project_id=place.project_id, user_id=place.ann, image_ids=image_ids, class_id=place.lion
        )

    def undo(_: int) -> int:
        try:
            with write() as session:
                return service.undo(
                    session, done.action_id, project_id=place.project_id, user_id=place.ann, may_undo_others=False
                ).changed
        except Conflict:
            return 0

    assert Counter(together(undo)) == {3: 1, 0: PEOPLE - 1}
    with read() as session:
        undos = select(func.count()).select_from(LabelAction).where(LabelAction.kind == "undo")
        assert session.scalar(undos) == 1


def test_no_image_is_handed_to_two(place: make.Workplace):
    with write() as session:
        make.images(session, place.project_id, 40)
        people = [make.user(session, f"person {number}") for number in range(PEOPLE)]

    def take(number: int) -> list[int]:
        with write() as session:
            found = queue.next_images(session, project_id=place.project_id, user_id=people[number], count=5)
        return [image.id for image in found.images]

    handed = [image_id for some in together(take) for image_id in some]
    assert len(handed) == len(set(handed)) == 5 * PEOPLE
