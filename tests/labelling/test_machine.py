"""Whatever people do and undo, the label is the last event, versions count events, and kept counts are right."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import Conflict
from app.labelling import class_merge, service
from app.labelling.events import FIELDS
from app.labelling.models import LabelAction, LabelClass, LabelEvent
from app.labelling.schemas import Act, LabelRequest
from app.library.counts import kept_counts, recount
from app.library.models import NOT_GOOD_REASONS, Image
from tests.factories import labelling as make

SOME = st.sets(st.integers(0, 5), min_size=1, max_size=4)
PERSON = st.sampled_from(["ann", "ben"])


class Labelling(RuleBasedStateMachine):
    """Two labellers and a reviewer over six images, five of them in the pool."""

    def __init__(self) -> None:
        super().__init__()
        with write() as session:
            number = session.query(LabelAction).count()
            self.place = make.workplace(session, f"Project {number}")
            self.images = make.images(session, self.place.project_id, 5)
            self.images += make.images(session, self.place.project_id, 1, start=5, state="quarantined")
        self.events = 0
        self.actions: list[int] = []

    def _act(self, person: str, some: set[int], **values: object) -> None:
        request = LabelRequest.model_validate({"image_ids": [self.images[at] for at in sorted(some)], **values})
        with write() as session:
            try:
                result = service.act_on(
                    session,
                    request,
                    project_id=self.place.project_id,
                    user_id=getattr(self.place, person),
                    may_remove_many=False,
                )
            except Conflict:
                return
        self.actions.append(result.action_id)

    @rule(person=PERSON, some=SOME, name=st.sampled_from(["lion", "tiger", "bear"]), stale=st.booleans())
    def label(self, person: str, some: set[int], name: str, stale: bool) -> None:
        versions = dict.fromkeys(self.images, 0) if stale else {}
        self._act(person, some, act=Act.LABEL, class_id=getattr(self.place, name), versions=versions)

    @rule(person=PERSON, some=SOME, sub=st.sampled_from(["male", "cub"]))
    def label_finely(self, person: str, some: set[int], sub: str) -> None:
        self._act(person, some, act=Act.LABEL, class_id=self.place.lion, sub_class_id=getattr(self.place, sub))

    @rule(person=PERSON, some=SOME, reason=st.sampled_from(NOT_GOOD_REASONS))
    def judge(self, person: str, some: set[int], reason: str) -> None:
        self._act(person, some, act=Act.NOT_GOOD, reason=reason)

    @rule(
        person=PERSON,
        some=SOME,
        act=st.sampled_from([Act.UNKNOWN, Act.NONE, Act.GOOD, Act.REMOVE, Act.RESTORE, Act.ROTATE, Act.POOL]),
    )
    def do(self, person: str, some: set[int], act: Act) -> None:
        self._act(person, some, act=act)

    @rule(pair=st.permutations(["lion", "tiger", "bear"]), keep=st.booleans())
    def merge(self, pair: list[str], keep: bool) -> None:
        with write() as session:
            try:
                result = class_merge.merge_classes(
                    session,
                    project_id=self.place.project_id,
                    source_id=getattr(self.place, pair[0]),
                    target_id=getattr(self.place, pair[1]),
                    user_id=self.place.rita,
                    keep_as_sub_class=keep,
                )
            except Conflict:
                return
        self.actions.append(result.action_id)

    @rule(back=st.integers(0, 6))
    def undo(self, back: int) -> None:
        if back >= len(self.actions):
            return
        with write() as session:
            try:
                result = service.undo(
                    session,
                    self.actions[-1 - back],
                    project_id=self.place.project_id,
                    user_id=self.place.rita,
                    may_undo_others=True,
                )
            except Conflict:
                return
        self.actions.append(result.action_id)

    @invariant()
    def the_label_is_the_last_event_and_nothing_is_lost(self) -> None:
        with read() as session:
            images = session.scalars(select(Image).where(Image.project_id == self.place.project_id)).all()
            total = 0
            for image in images:
                events = make.history(session, image.id)
                total += len(events)
                assert image.label_version == len(events)
                if events:
                    last = events[-1]
                    assert image.last_event_id == last.id
                    assert [getattr(image, name) for name in FIELDS] == [getattr(last, f"to_{name}") for name in FIELDS]
                for before, after in pairwise(events):
                    for name in FIELDS:
                        assert getattr(before, f"to_{name}") == getattr(after, f"from_{name}")
            assert total >= self.events
            self.events = total

    @invariant()
    def kept_counts_are_a_recount(self) -> None:
        with read() as session:
            assert kept_counts(session, self.place.project_id) == recount(session, self.place.project_id)

    @invariant()
    def archived_classes_carry_no_label(self) -> None:
        with read() as session:
            carried = select(Image.class_id).where(Image.class_id.is_not(None))
            archived = session.scalars(
                select(LabelClass).where(LabelClass.archived_at.is_not(None), LabelClass.id.in_(carried))
            )
            assert not archived.all()

    @invariant()
    def what_an_action_says_is_what_it_did(self) -> None:
        with read() as session:
            for action_id in self.actions:
                done = select(LabelEvent.id).where(LabelEvent.action_id == action_id)
                assert session.get_one(LabelAction, action_id).images == len(session.scalars(done).all())


@pytest.mark.usefixtures("installation")
def test_any_sequence_of_acts_and_undos_keeps_the_rules(installation: Path):
    assert installation.exists()
    run_state_machine_as_test(
        Labelling,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
