"""Many label conflicts are settled as one decision, which can be taken back with the labels it gave."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.labelling.conflicts import settle_many, undo_settlement
from app.labelling.duplicate_labels import give_all_the_label_of
from app.labelling.schemas import Act, LabelRequest
from app.labelling.service import act_on, apply_one_label_to, undo
from app.library.models import Image, LabelConflict
from app.library.settling import Bundle, BundleKind
from tests.factories import labelling
from tests.factories.datasets import make_duplicate_group
from tests.factories.labelling import Workplace


@pytest.fixture
def place(installation: Path) -> Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return labelling.workplace(session)


def who(place: Workplace) -> dict[str, int]:
    return {"project_id": place.project_id, "user_id": place.rita}


def lions_that_arrived_as(session: Session, place: Workplace, *names: str) -> tuple[list[int], list[int]]:
    """An image labelled Lion for each name, and the conflict of its arrival under that name."""
    ids = labelling.images(session, place.project_id, len(names))
    apply_one_label_to(session, **who(place), image_ids=ids, class_id=place.lion)
    rows = [
        LabelConflict(project_id=place.project_id, image_id=image_id, class_name=name, created_at=now())
        for image_id, name in zip(ids, names, strict=True)
    ]
    session.add_all(rows)
    session.flush()
    return ids, [row.id for row in rows]


def classes(ids: list[int]) -> list[int | None]:
    with read() as session:
        return [session.get_one(Image, image_id).class_id for image_id in ids]


def open_ones() -> list[int]:
    with read() as session:
        return sorted(session.scalars(select(LabelConflict.id).where(LabelConflict.settled_at.is_(None))))


def test_new_labels_are_taken_in_one_act_and_taken_back_with_their_conflicts(place: Workplace):
    with write() as session:
        ids, conflicts = lions_that_arrived_as(session, place, "Tiger", "Bear", "Tiger")
        settled, result = settle_many(session, conflicts, take=True, **who(place))
    assert result is not None
    assert result.changed == 3
    assert classes(ids) == [place.tiger, place.bear, place.tiger]
    assert open_ones() == []
    with write() as session:
        undo_settlement(session, settled.decision_id, **who(place))
    assert classes(ids) == [place.lion] * 3
    assert open_ones() == conflicts


def test_labels_are_kept_and_conflicts_reopened_by_undo(place: Workplace):
    with write() as session:
        ids, conflicts = lions_that_arrived_as(session, place, "Tiger", "Bear")
        settled, result = settle_many(session, conflicts[:1], take=False, **who(place))
    assert result is None
    assert open_ones() == conflicts[1:]
    assert classes(ids) == [place.lion] * 2
    with pytest.raises(NotFound, match="none of these conflicts is open"), write() as session:
        settle_many(session, conflicts[:1], take=True, **who(place))
    with write() as session:
        undo_settlement(session, settled.decision_id, **who(place))
    assert open_ones() == conflicts


def test_an_image_cannot_take_two_labels_and_a_removed_one_keeps_its_conflict(place: Workplace):
    with write() as session:
        (first, second), conflicts = lions_that_arrived_as(session, place, "Tiger", "Bear")
        other = LabelConflict(project_id=place.project_id, image_id=first, class_name="Bear", created_at=now())
        session.add(other)
        session.flush()
        other_id = other.id
        remove = LabelRequest(image_ids=[second], act=Act.REMOVE)
        act_on(session, remove, **who(place), may_remove_many=False)
    with pytest.raises(InvalidInput, match=f"image {first} arrived under several labels"), write() as session:
        settle_many(session, [*conflicts, other_id], take=True, **who(place))
    with write() as session:
        settle_many(session, conflicts, take=True, **who(place))
    assert open_ones() == [conflicts[1], other_id]


def test_all_of_a_group_take_the_label_of_one_and_undo_gives_each_its_own_back(place: Workplace):
    with write() as session:
        group = make_duplicate_group(session, place.project_id)
        ids = labelling.images(session, place.project_id, 3, duplicate_group_id=group)
        for image_id, class_id in zip(ids, (place.lion, place.tiger), strict=False):
            apply_one_label_to(session, **who(place), image_ids=[image_id], class_id=class_id)
        bundle = Bundle(BundleKind.GROUP, group)
        action = give_all_the_label_of(session, bundle, ids[1], **who(place)).action_id
    assert classes(ids) == [place.tiger] * 3
    with write() as session:
        undo(session, action, **who(place), may_undo_others=True)
    assert classes(ids) == [place.lion, place.tiger, None]
    with pytest.raises(InvalidInput, match="must carry one"), write() as session:
        give_all_the_label_of(session, bundle, ids[2], **who(place))
