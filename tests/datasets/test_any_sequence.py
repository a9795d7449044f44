"""Whatever happens between snapshots: no image changes side, no group straddles, the same stays the same."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, update

from app.core.database import read, write
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.models import BenchmarkSet, SnapshotImage
from app.datasets.queries import library_columns
from app.datasets.service import freeze, make_plan
from app.datasets.splitting import components
from app.labelling.class_merge import part, train_as
from app.labelling.models import LabelClass
from app.library.models import Image
from tests.factories import datasets as made
from tests.factories.accounts import make_user

pytestmark = pytest.mark.usefixtures("installation")

IMAGES = 36
places = st.integers(0, IMAGES - 1)
some = st.sets(places, min_size=1, max_size=5)


class Library(RuleBasedStateMachine):
    """A project of a few dozen images that people label, group, set aside, remove and freeze, in any order."""

    @initialize()
    def fill(self) -> None:
        self.drawn: dict[int, str] = {}
        self.leaked: set[int] = set()
        with write() as session:
            self.project_id, self.user_id = made.make_project(session), make_user(session).id
            self.classes = [made.make_class(session, self.project_id) for _ in range(3)]
            own = [made.make_images(session, self.project_id, IMAGES // 3, class_id) for class_id in self.classes]
            self.images = [image_id for ids in own for image_id in ids]

    def change(self, chosen: set[int], **values: object) -> None:
        ids = [self.images[place] for place in chosen]
        with write() as session:
            session.execute(update(Image).where(Image.id.in_(ids)).values(**values))

    @rule(chosen=some, to=st.sampled_from([0, 1, 2, None]))
    def label(self, chosen: set[int], to: int | None) -> None:
        class_id = None if to is None else self.classes[to]
        self.change(chosen, class_id=class_id, state="pool" if to is None else "labelled", sub_class_id=None)

    @rule(chosen=some, quality=st.sampled_from(["blurred", "good", None]))
    def judge(self, chosen: set[int], quality: str | None) -> None:
        self.change(chosen, quality=quality)

    @rule(chosen=some)
    def remove(self, chosen: set[int]) -> None:
        self.change(chosen, class_id=None, state="removed", sub_class_id=None)

    @rule(chosen=some, origin=st.sampled_from(["real", "staged", "synthetic"]))
    def call(self, chosen: set[int], origin: str) -> None:
        self.change(chosen, origin=origin)

    @rule(chosen=some, by=st.sampled_from(["duplicate_group_id", "capture_group_id"]))
    def group(self, chosen: set[int], by: str) -> None:
        with write() as session:
            make = made.make_duplicate_group if by == "duplicate_group_id" else made.make_capture_group
            number = make(session, self.project_id)
        self.change(chosen, **{by: number})

    @rule(place=places)
    def set_aside(self, place: int) -> None:
        with write() as session:
            image = session.get_one(Image, self.images[place])
            if image.state != "removed":
                name = f"set {len(session.scalars(select(BenchmarkSet.id)).all())}"
                own = {"project_id": self.project_id, "name": name, "image_ids": [image.id]}
                make_benchmark_set(session, **own, truths={image.id: None})

    @rule()
    def merge_or_part(self) -> None:
        who = {"project_id": self.project_id, "class_id": self.classes[1], "user_id": self.user_id}
        with write() as session:
            if session.get_one(LabelClass, self.classes[1]).trained_as_id is None:
                train_as(session, **who, as_id=self.classes[0])
            else:
                part(session, **who)

    @rule(upper=st.integers(3, 20), seed=st.integers(0, 3))
    def freeze_twice(self, upper: int, seed: int) -> None:
        given = {"project_id": self.project_id, "lower": 1, "upper": upper, "seed": seed}
        with read() as session:
            if not make_plan(session, **given).preview.included:
                return
        with write() as session:
            first = freeze(session, **given)
        with write() as session:
            assert freeze(session, **given).id == first.id
        with read() as session:
            columns = library_columns(session, self.project_id)
            taken = dict(
                session.execute(
                    select(SnapshotImage.image_id, SnapshotImage.split).where(SnapshotImage.snapshot_id == first.id)
                ).all()
            )
        linked = components(columns.duplicate_group, columns.capture_group)
        sides: defaultdict[int, set[str]] = defaultdict(set)
        for row, image_id in enumerate(columns.id.tolist()):
            if image_id in taken:
                sides[int(linked[row])].add(taken[image_id])
                assert columns.origin[row] == 0 or taken[image_id] == "train"
                assert not columns.leaked[row]
                assert not columns.benchmark[linked == linked[row]].any()
        assert all(len(each) == 1 for each in sides.values())

    @invariant()
    def no_image_changes_side(self) -> None:
        with read() as session:
            rows = session.execute(
                select(Image.id, Image.split, Image.leaked).where(Image.project_id == self.project_id)
            ).all()
        splits = {image_id: split for image_id, split, _ in rows if split}
        assert {image_id: splits.get(image_id) for image_id in self.drawn} == self.drawn
        assert self.leaked <= {image_id for image_id, _, is_leaked in rows if is_leaked}
        self.drawn = splits
        self.leaked = {image_id for image_id, _, is_leaked in rows if is_leaked}


def test_any_sequence_of_changes_keeps_the_rules_of_splits():
    run_state_machine_as_test(Library, settings=settings(max_examples=6, stateful_step_count=14, deadline=None))
