"""Acts on many results: planned first, done on exactly what the plan froze, undone as one; what is protected stays."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import Conflict
from app.datasets.benchmarks import make_benchmark_set
from app.embeddings.centres import unit_rows
from app.identification import binning, plan_files, retiring, sweeping
from app.identification.holding import (
    Answers,
    Held,
    Kinds,
    References,
    held_as_unlike,
    held_by_answers,
    held_by_nearness,
    likeness_floors,
    upper_bound,
)
from app.identification.scope import job_scope
from app.identification.work import identify
from app.labelling.service import undo
from app.library.models import Image
from app.library.service import change_images
from app.predictions.models import Prediction
from app.projects.models import Project
from app.runs.models import Run
from tests.factories.evaluation import fill_snapshot
from tests.factories.labelling import images, user
from tests.factories.predictions import identify_as, photo_images, run_now
from tests.factories.registry import TinyVersion, snapshot_row, tiny_version


def states(project_id: int) -> dict[int, str]:
    with read() as session:
        return dict(session.execute(select(Image.id, Image.state).where(Image.project_id == project_id)).all())


def planned(project_id: int, job_id: int, act: str, **asked: object) -> Run:
    parameters = {"act": act, "job_id": job_id, "asked": asked}
    return run_now(project_id, sweeping.PLAN, parameters, sweeping.plan, created_by=somebody())


def somebody() -> int:
    with write() as session:
        return user(session, f"ann {np.random.default_rng().integers(10**9)}")


def act_now(project_id: int, job_id: int, plan_id: int) -> int:
    """Do a plan at once; the act."""
    person = somebody()
    with write() as session:
        plan = sweeping.get_plan(session, plan_id, job_id=job_id, project_id=project_id)
        done = sweeping.act_on_plan(session, plan, project_id=project_id, user_id=person)
    assert not isinstance(done, int)
    return done.action_id


def take_back(project_id: int, action_id: int) -> None:
    person = somebody()
    with write() as session:
        undo(session, action_id, project_id=project_id, user_id=person, may_undo_others=True)


def test_a_rare_class_among_the_five_or_near_by_holds_an_image_back():
    kinds = Kinds(plentiful=frozenset({1}), rare=frozenset({3}))
    scores = np.array([[0.97, 0.02, 0.01], [0.97, 0.0, 0.03], [0.9, 0.1, 0.0], [0.0, 0.99, 0.01]], dtype=np.float32)
    answers = Answers.of_scores(scores, [1, 2, 3])
    held = held_by_answers(answers, kinds, confidence=0.95, share=0.02)
    assert [Held(each) for each in held] == [Held.TAKEN, Held.RARE_IN_TOP, Held.NOT_PLENTIFUL, Held.NOT_PLENTIFUL]

    own, rare = np.array([[1.0, 0.0]], dtype=np.float32), np.array([[0.0, 1.0]], dtype=np.float32)
    known = References(own, np.array([1]), np.array([-1]))
    strange = References(rare, np.array([3]), np.array([-2]))
    placed = np.array([[0.9, 0.1], [0.7, 0.71]], dtype=np.float32)
    asked = np.array([1, 1])
    assert held_by_nearness(placed, asked, strange, known).tolist() == [False, True]
    # A burst says nothing about itself: compared with what is not of its group, nothing rare is near.
    assert held_by_nearness(placed, asked, strange, known, groups=np.array([-5, -2])).tolist() == [False, False]


def test_what_is_unlike_every_labelled_image_of_its_class_is_held_back():
    random = np.random.default_rng(2)
    rows = unit_rows((np.repeat(np.eye(6)[:2], 12, axis=0) + random.normal(0, 0.1, (24, 6))).astype(np.float32))
    known = References(rows, np.repeat([1, 2], 12), np.arange(24))
    floors = likeness_floors(known)
    asked = np.array([1, 2, 2])
    placed = unit_rows((np.eye(6) + 0.05)[[0, 1, 4]].astype(np.float32))
    assert held_as_unlike(placed, asked, known, floors).tolist() == [False, False, True]
    burst = References(rows, known.class_ids, np.zeros(24, dtype=np.int64))
    assert likeness_floors(burst) == {}, "a burst says nothing about itself"


def test_the_bound_is_clopper_and_pearsons():
    assert upper_bound(0, 20) == pytest.approx(1 - 0.05 ** (1 / 20), abs=1e-5)
    assert upper_bound(3, 200) == pytest.approx(0.0383, abs=1e-4)
    assert (upper_bound(0, 0), upper_bound(5, 5)) == (1.0, 1.0)


@pytest.fixture
def scored(project: Project) -> tuple[int, TinyVersion, list[int]]:
    """A job over 12 images: image i is predicted as class i % 3 with confidence 0.4 + 0.05 i, less for the others."""
    version = tiny_version(project.id, ["Apple", "Pear", "Plum"])
    with write() as session:
        ids = images(session, project.id, 12)
    scores = [[(0.6 - 0.05 * at) / 2] * 3 for at in range(12)]
    for at, row in enumerate(scores):
        row[at % 3] = 0.4 + 0.05 * at
    identify_as(project.id, version.id, ids, scores)
    with read() as session:
        job_id = session.scalars(select(Prediction.job_id)).first()
    assert job_id is not None
    return job_id, version, ids


def test_what_is_protected_is_never_removed_and_the_rest_comes_back(
    project: Project, scored: tuple[int, TinyVersion, list[int]]
):
    job_id, version, ids = scored
    with write() as session:
        make_benchmark_set(session, project_id=project.id, name="Field", image_ids=ids[:1], truths={ids[0]: None})
        snapshot_id = snapshot_row(session, project.id)
    fill_snapshot(snapshot_id, {version.class_ids[0]: "Apple"}, {"train": {ids[1]: version.class_ids[0]}})
    with write() as session:
        change_images(session, ids[:1], project_id=project.id, state="pool")
        change_images(session, ids[2:3], project_id=project.id, state="labelled", class_id=version.class_ids[0])
        change_images(session, ids[3:4], project_id=project.id, state="unknown")
        bins = binning.bins_of(session, job_scope(session, job_id, project.id), "confidence")
    assert bins is not None
    assert bins.below(62) == (3, 1)
    run = planned(project.id, job_id, "remove", measure="confidence", below=68)
    assert run.result is not None
    assert (run.result["taken"], run.result["protected"]) == (2, 2)
    frozen = plan_files.taken(plan_files.frozen(run.id))
    assert plan_files.sample(frozen, 24, seed=1) == ids[4:6]
    with write() as session:  # Meanwhile somebody labels one of them.
        change_images(
            session, ids[5:6], project_id=project.id, state="labelled", class_id=version.class_ids[2], label_version=7
        )
    action_id = act_now(project.id, job_id, run.id)
    assert {image_id for image_id, state in states(project.id).items() if state == "removed"} == {ids[4]}
    with pytest.raises(Conflict, match="plan anew"):
        act_now(project.id, job_id, run.id)
    take_back(project.id, action_id)
    assert states(project.id)[ids[4]] == "pool"


def test_a_removal_by_a_run_is_one_act_and_the_scores_are_counted_anew(
    project: Project, scored: tuple[int, TinyVersion, list[int]]
):
    job_id, _, ids = scored
    run = planned(project.id, job_id, "remove", measure="confidence", below=100)
    parameters = {"plan_run_id": run.id, "job_id": job_id}
    swept = run_now(project.id, sweeping.SWEEP, parameters, sweeping.sweep, created_by=somebody())
    assert swept.result is not None
    assert swept.result["images"] == len(ids)
    counted = run_now(project.id, binning.KIND, {"job_id": job_id}, binning.count_bins)
    assert counted.state == "succeeded"
    take_back(project.id, swept.result["action_id"])
    assert set(states(project.id).values()) == {"pool"}
    with read() as session:
        kept = session.get(binning.ScoreBins, (job_id, "confidence"))
        now = binning.bins_of(session, job_scope(session, job_id, project.id), "confidence")
    assert kept is not None
    assert now is not None
    assert (sum(kept.bins["pool"]), sum(now.pool)) == (0, len(ids))


def test_accept_above_takes_plentiful_classes_alone_and_says_what_it_rests_on(project: Project):
    version = tiny_version(project.id, ["Apple", "Pear", "Plum"], snapshot_id=None)
    with write() as session:
        session.get_one(Project, project.id).lower_cutoff = 2
        rare = version.class_ids[2]
    pool, labelled = photo_images(project.id, 30), photo_images(project.id, 40, start=40)
    truth = {image_id: version.class_ids[at % 2] for at, image_id in enumerate(labelled)}
    truth |= dict.fromkeys(labelled[:2], rare)
    with write() as session:
        for class_id in version.class_ids:
            of_class = [image_id for image_id, own in truth.items() if own == class_id]
            change_images(session, of_class, project_id=project.id, state="labelled", class_id=class_id)
        snapshot_id = job_snapshot(session, version)
    split = {"train": labelled[2:20], "test": labelled[20:40]}
    fill_snapshot(
        snapshot_id,
        {version.class_ids[0]: "Apple"},
        {name: {each: truth[each] for each in ids} for name, ids in split.items()},
    )
    job = run_now(project.id, "identification.identify", {"version_id": version.id}, identify)
    assert job.result is not None
    run = planned(project.id, job.result["job_id"], "accept", confidence=0.5, multiple=3.0, share=0.5)
    assert run.result is not None
    told = run.result
    assert told["taken"] + sum(told["held"].values()) == told["above"] > 0
    assert told["rare_images"] == 2
    assert told["bound"] == pytest.approx(upper_bound(told["rare_taken"], 2))
    assert told["precision"]["total"] <= 20
    with read() as session:
        predicted = dict(
            session.execute(select(Prediction.image_id, Prediction.class_1).where(Prediction.image_id.in_(pool))).all()
        )
    action_id = act_now(project.id, job.result["job_id"], run.id)
    with read() as session:
        given = session.execute(select(Image.id, Image.class_id).where(Image.id.in_(pool), Image.state == "labelled"))
        accepted = dict(given.all())
    assert len(accepted) == told["taken"] > 0
    assert rare not in accepted.values()
    assert all(predicted[image_id] == class_id for image_id, class_id in accepted.items())
    take_back(project.id, action_id)
    assert {states(project.id)[image_id] for image_id in pool} == {"pool"}


def job_snapshot(session: object, version: TinyVersion) -> int:
    from sqlalchemy.orm import Session

    from app.registry.models import ModelVersion

    assert isinstance(session, Session)
    return session.get_one(ModelVersion, version.id).snapshot_id


def test_made_up_images_retire_synthetic_ones_first_and_come_back(project: Project):
    version = tiny_version(project.id, ["Apple", "Pear"])
    apple = version.class_ids[0]
    with write() as session:
        staged = images(session, project.id, 2, origin="staged")
        made = images(session, project.id, 2, start=10, origin="synthetic")
        real = images(session, project.id, 3, start=20)
        change_images(session, [*staged, *made], project_id=project.id, state="labelled", class_id=apple)
    person = somebody()
    from app.labelling.class_counts import breakdown, usable_up_to
    from app.labelling.service import apply_one_label_to

    with write() as session:
        who = {"project_id": project.id, "user_id": person}
        done = apply_one_label_to(session, **who, image_ids=real, class_id=apple)
        (offer,) = retiring.offers(session, done.action_id, project_id=project.id)
        assert (offer.accepted, offer.left, offer.count) == (3, 4, 3)
        retirement_id = retiring.retire(session, **who, class_id=apple, count=offer.count).id

    def counts() -> tuple[int, int]:
        with read() as session:
            left_out = breakdown(session, project.id, apple).left_out
            return usable_up_to(session, project.id, [apple], cap=50)[apple], left_out.get("retired", 0)

    assert counts() == (4, 3)
    with read() as session:
        gone = set(session.scalars(select(Image.id).where(Image.is_retired)))
    assert gone == {*made, staged[0]}
    with write() as session:
        retiring.undo_retirement(session, retirement_id, **who)
    assert counts() == (7, 0)
    with pytest.raises(Conflict), write() as session:
        retiring.undo_retirement(session, retirement_id, **who)
