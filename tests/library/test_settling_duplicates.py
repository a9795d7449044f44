"""Duplicates are settled by a person: kept, parted, given another representative; decisions hold and can be undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.library import settling
from app.library.curation_models import CurationDecision, DuplicateProposal, NotDuplicate, ProposedDuplicate
from app.library.decisions import undo_decision
from app.library.duplicate_queries import Show, bundle_ids, bundle_views
from app.library.duplicates import group_new
from app.library.models import DuplicateGroup, Image
from app.library.settling import Bundle, BundleKind
from app.runs.models import Run
from app.runs.service import request_run
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.factories.library import add_images
from worker.tasks.library import search_duplicates

BASE = 0x1234_5678_9ABC_DEF0
NEARBY = (0, 11, 23, 35, 47)


@pytest.fixture
def place(installation: Path) -> Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return labelling.workplace(session)


def flipped(*bits: int) -> int:
    return BASE ^ sum(1 << bit for bit in bits)


def arrive(session: Session, place: Workplace, phash: int, **values: Any) -> int:
    """An image that arrives with this hash and is grouped as an import groups it."""
    sizes = {"width": 100, "height": 100, "sharpness": 10.0}
    (image_id,) = add_images(session, place.project_id, phash=phash, **(sizes | values))
    group_new(session, place.project_id, {image_id: phash})
    return image_id


def search(place: Workplace, radius: int = 6) -> Run:
    with write() as session:
        run_id = request_run(
            session, project_id=place.project_id, kind="library.duplicates", title="", parameters={"radius": radius}
        )
    search_duplicates(run_id)
    with read() as session:
        run = session.get_one(Run, run_id)
        assert run.state == "succeeded", run.error_message
        return run


def who(place: Workplace) -> dict[str, int]:
    return {"project_id": place.project_id, "user_id": place.rita}


def proposed(place: Workplace) -> list[tuple[Bundle, set[int]]]:
    with read() as session:
        found = bundle_ids(session, place.project_id, Show.HASH, before=None, limit=50)
        views = bundle_views(session, place.project_id, found)
        return [(view.bundle, {member.image.id for member in view.members}) for view in views]


def groups_of(place: Workplace) -> dict[int, tuple[int | None, bool, bool]]:
    """Group, whether it stands for it, and whether it is leaked, by image."""
    columns = (Image.id, Image.duplicate_group_id, Image.is_representative, Image.leaked)
    with read() as session:
        rows = session.execute(select(*columns).where(Image.project_id == place.project_id))
        return {image_id: (group, stands, leaked) for image_id, group, stands, leaked in rows}


def group_of(place: Workplace, image_id: int) -> int:
    group = groups_of(place)[image_id][0]
    assert group is not None
    return group


def test_a_search_proposes_what_is_near_and_keeping_it_makes_a_group_that_can_be_undone(place: Workplace):
    with write() as session:
        train = arrive(session, place, BASE, split="train", width=50)
        pair = [arrive(session, place, flipped(*NEARBY), split="test"), arrive(session, place, flipped(*NEARBY, 60))]
        arrive(session, place, ~BASE)
    before = groups_of(place)
    assert search(place).result == {"images": 4, "radius": 6, "proposals": 1}
    ((bundle, members),) = proposed(place)
    assert members == {train, pair[0]}, "a group goes as the image that stands for it"
    with write() as session:
        settled = settling.keep(session, bundle, **who(place))
    assert settled.retired == 1
    after = groups_of(place)
    assert len({after[image_id][0] for image_id in (train, *pair)}) == 1
    assert after[pair[0]][2], "the test image has its like in training"
    assert proposed(place) == []
    with write() as session:
        undone = undo_decision(session, settled.decision_id, **who(place))
    assert undone.measures_again == 1
    assert groups_of(place) == before
    assert len(proposed(place)) == 1


def test_what_was_parted_is_not_proposed_or_joined_again(place: Workplace):
    with write() as session:
        one, other = arrive(session, place, BASE), arrive(session, place, flipped(*NEARBY))
    search(place)
    ((bundle, _),) = proposed(place)
    with write() as session:
        decision = settling.split(session, bundle, [], **who(place)).decision_id
    search(place)
    assert proposed(place) == []
    with write() as session:
        link = arrive(session, place, flipped(*NEARBY[:3]))
    groups = groups_of(place)
    assert groups[link][0] is not None
    assert (groups[one][0] is None) != (groups[other][0] is None), "the newcomer joins one of the two, never both"
    with write() as session:
        undo_decision(session, decision, **who(place))
        assert session.scalars(select(NotDuplicate)).all() == []


def test_the_chosen_leave_a_group_and_nothing_measures_again_in_silence(place: Workplace):
    with write() as session:
        first, second = (arrive(session, place, BASE, split=split) for split in ("train", "test"))
        third, fourth = (arrive(session, place, BASE) for _ in range(2))
    before = groups_of(place)
    assert before[second][2]
    group = Bundle(BundleKind.GROUP, group_of(place, first))
    with write() as session:
        settled = settling.split(session, group, [second, fourth], **who(place))
    after = groups_of(place)
    assert after[first][0] == after[third][0] == group.id
    assert after[second][0] == after[fourth][0] != group.id
    assert after[second][2], "it stays retired"
    assert [after[image_id][1] for image_id in (first, second, third, fourth)] == [True, True, False, False]
    with write() as session:
        again = arrive(session, place, BASE)
    assert len({group_of(place, image_id) for image_id in (first, second)}) == 2
    with write() as session:
        undo_decision(session, settled.decision_id, **who(place))
    restored = groups_of(place)
    assert {image_id: restored[image_id] for image_id in before} == before
    assert restored[again][0] == group.id


def test_parting_all_dissolves_the_group_and_its_partings_are_inherited(place: Workplace):
    with write() as session:
        ids = [arrive(session, place, BASE) for _ in range(3)]
        stranger = arrive(session, place, flipped(*NEARBY))
    search(place)
    ((proposal, _),) = proposed(place)
    with write() as session:
        settling.split(session, proposal, [], **who(place))
        group = session.scalars(select(Image.duplicate_group_id).where(Image.id == ids[0])).one() or 0
        decision = settling.split(session, Bundle(BundleKind.GROUP, group), [], **who(place))
    assert {groups_of(place)[image_id][:2] for image_id in ids} == {(None, True)}
    search(place)
    assert proposed(place) == [], "each of them stays apart from the stranger and from the others"
    with write() as session:
        undo_decision(session, decision.decision_id, **who(place))
    assert len({group_of(place, image_id) for image_id in ids}) == 1
    search(place)
    assert proposed(place) == []
    assert groups_of(place)[stranger][0] is None


def test_some_of_a_proposal_leave_it_and_the_rest_is_proposed_still(place: Workplace):
    with write() as session:
        far = [BASE, flipped(0, 1, 2, 3), flipped(8, 9, 10, 11), flipped(16, 17, 18, 19)]
        ids = [arrive(session, place, phash) for phash in far]
    search(place, 5)
    ((bundle, members),) = proposed(place)
    assert members == set(ids)
    with write() as session:
        settled = settling.split(session, bundle, ids[3:], **who(place))
    ((rest, members),) = proposed(place)
    assert members == set(ids[:3])
    with write() as session:
        settling.keep(session, rest, **who(place))
    search(place, 5)
    assert proposed(place) == []
    with pytest.raises(NotFound, match="settled or regrouped"), write() as session:
        settling.keep(session, rest, **who(place))
    with write() as session:
        undo_decision(session, settled.decision_id, **who(place))
    assert len({groups_of(place)[image_id][0] for image_id in ids[:3]}) == 1, "what was kept since stays"


def test_a_split_is_not_undone_under_what_was_grouped_since(place: Workplace):
    with write() as session:
        ids = [arrive(session, place, BASE) for _ in range(2)]
    with write() as session:
        parted = settling.split(session, Bundle(BundleKind.GROUP, group_of(place, ids[0])), [], **who(place))
    with write() as session:
        arrive(session, place, BASE)
    with pytest.raises(Conflict, match="grouped otherwise since"), write() as session:
        undo_decision(session, parted.decision_id, **who(place))


def test_a_chosen_representative_stands_until_it_is_removed_or_the_choice_undone(place: Workplace):
    with write() as session:
        large, small = arrive(session, place, BASE, width=900), arrive(session, place, BASE, width=50)
        group = Bundle(BundleKind.GROUP, session.get_one(Image, large, populate_existing=True).duplicate_group_id or 0)
        settled = settling.choose(session, group, small, **who(place))
    assert groups_of(place)[small][1]
    with write() as session:
        arrive(session, place, BASE, width=2000)
    assert groups_of(place)[small][1], "a larger newcomer does not take its place"
    with pytest.raises(InvalidInput, match="one of its group's images"), write() as session:
        settling.choose(session, group, 10**6, **who(place))
    with write() as session:
        undo_decision(session, settled.decision_id, **who(place))
    assert not groups_of(place)[small][1]
    with pytest.raises(Conflict, match="undone already"), write() as session:
        undo_decision(session, settled.decision_id, **who(place))


def test_a_new_search_replaces_open_proposals_and_leaves_other_projects_alone(place: Workplace):
    with write() as session:
        other = labelling.workplace(session, "Other")
        for where in (place, other):
            arrive(session, where, BASE)
            arrive(session, where, flipped(*NEARBY))
    for where in (place, other, place):
        search(where)
    with read() as session:
        assert len(session.scalars(select(DuplicateProposal)).all()) == 2
        assert len(session.scalars(select(ProposedDuplicate)).all()) == 4
    ((bundle, _),) = proposed(other)
    with pytest.raises(NotFound), write() as session:
        settling.keep(session, bundle, **who(place))


def test_a_confirmed_group_is_listed_as_settled(place: Workplace):
    with write() as session:
        ids = [arrive(session, place, BASE) for _ in range(2)]
    group = Bundle(BundleKind.GROUP, group_of(place, ids[0]))
    with write() as session:
        assert bundle_ids(session, place.project_id, Show.OPEN, before=None, limit=5) == [group]
        decision = settling.keep(session, group, **who(place)).decision_id
        assert bundle_ids(session, place.project_id, Show.OPEN, before=None, limit=5) == []
        assert bundle_ids(session, place.project_id, Show.SETTLED, before=None, limit=5) == [group]
        undo_decision(session, decision, **who(place))
        assert session.get_one(DuplicateGroup, group.id, populate_existing=True).settled_at is None
        assert session.get_one(CurationDecision, decision, populate_existing=True).undone_by == place.rita
