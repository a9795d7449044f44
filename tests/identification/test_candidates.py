"""Candidates for classes below the cutoff: ranked by two witnesses, only what can lift it, gone once decided."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.datasets.service import freeze
from app.embeddings.store import add
from app.identification.needs import candidate_counts, class_needs
from app.identification.ranking import Labelled, Ranker
from app.identification.schemas import AcceptRequest
from app.identification.scope import job_scope
from app.identification.service import accept_predictions
from app.identification.standing import standing_follow_up
from app.identification.work import identify
from app.labelling.lookalike_pool import Pool
from app.labelling.lookalike_schemas import View
from app.labelling.undo import undo
from app.library.models import Image
from app.library.service import change_images
from app.predictions.models import Candidate
from app.predictions.queries import newest_candidates
from app.projects.models import Project
from app.registry.queries import get_trunk
from tests.factories.datasets import make_images
from tests.factories.labelling import user
from tests.factories.predictions import run_now
from tests.factories.registry import TinyVersion, deploy, make_classes, tiny_trunk_row, tiny_version
from tests.factories.runs import any_project
from tests.inference.networks import WIDTH
from tests.web_client import SignInAs

KIND = "identification.identify"
NAMES = ["Apple", "Pear", "Plum"]


@dataclass(frozen=True, slots=True)
class Orchard:
    """A project with 12 apples, 12 pears and 5 plums labelled; `plums` and `apples` are in the pool."""

    project_id: int
    version: TinyVersion
    labelled_plums: list[int]
    plums: list[int]
    apples: list[int]

    @property
    def plum(self) -> int:
        """The class below the cutoff."""
        return self.version.class_ids[2]

    def identify(self) -> int:
        """The job of an identification of the pool."""
        run = run_now(self.project_id, KIND, {"version_id": self.version.id, "selection": {"kind": "pool"}}, identify)
        assert run.error_message is None
        return int(run.result["job_id"])


def orchard(project_id: int) -> Orchard:
    """Embeddings lie around a direction for each kind, so that it is known what is like what."""
    random = np.random.default_rng(7)
    with write() as session:
        class_ids = make_classes(session, project_id, NAMES)
        trunk = get_trunk(session, tiny_trunk_row(session))
        counts = zip(class_ids, (12, 12, 5), strict=True)
        labelled = [make_images(session, project_id, count, class_id) for class_id, count in counts]
        pool = [make_images(session, project_id, count) for count in (30, 20, 6)]
        snapshot_id = freeze(session, project_id=project_id, lower=5, upper=40).id
    for kind in range(3):
        ids = labelled[kind] + pool[kind]
        centre = np.eye(WIDTH, dtype=np.float32)[kind] * 5
        rows = np.abs(centre + random.normal(0, 0.4, (len(ids), WIDTH))).astype(np.float32)
        add(trunk, [(image_id, 0) for image_id in ids], rows)
    version = tiny_version(project_id, NAMES, throwaway=True, below_cutoff=frozenset({"Plum"}), snapshot_id=snapshot_id)
    return Orchard(project_id, version, labelled[2], pool[2], pool[0])


@pytest.fixture
def plums(installation: object) -> Orchard:  # noqa: ARG001 - must exist first
    with write() as session:
        project_id = any_project(session)
    return orchard(project_id)


def ranked(job_id: int) -> list[Candidate]:
    with read() as session:
        return list(session.scalars(select(Candidate).where(Candidate.job_id == job_id).order_by(Candidate.rank)))


def test_what_a_rare_class_lacks_comes_first_with_the_reason(plums: Orchard):
    found = ranked(plums.identify())
    assert {each.image_id for each in found[:6]} == set(plums.plums)
    assert [each.rank for each in found] == list(range(1, 57))
    assert {each.class_id for each in found} == {plums.plum}
    assert {each.nearest_id for each in found} <= set(plums.labelled_plums)
    assert all(each.is_named for each in found[:6])
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert min(each.similarity for each in found[:6]) > max(each.similarity for each in found[6:])


def test_a_run_ends_with_what_was_found_for_each_class(plums: Orchard):
    run = run_now(plums.project_id, KIND, {"version_id": plums.version.id, "selection": {"kind": "pool"}}, identify)
    named = sum(each.is_named for each in ranked(run.result["job_id"]))
    assert run.result["candidates"] == {"Plum": named}
    assert 6 <= named < 56


def test_look_alike_pages_of_a_class_that_production_does_not_know_are_of_its_candidates(plums: Orchard):
    found = ranked(plums.identify())
    with read() as session:
        pool = Pool(session, plums.project_id, View(kind="class", target=plums.plum))
        assert newest_candidates(session, plums.project_id, plums.plum) == [each.image_id for each in found]
    assert set(pool.ids) == {each.image_id for each in found}


def test_only_what_can_lift_the_class_is_listed(plums: Orchard):
    duplicate, blurred, benchmark, apple = plums.plums[0], plums.plums[1], plums.plums[2], plums.apples[0]
    with write() as session:
        change_images(session, [blurred], project_id=plums.project_id, quality="blurred")
        change_images(session, [duplicate], project_id=plums.project_id, is_representative=False)
        change_images(session, [benchmark], project_id=plums.project_id, in_benchmark=True)
    listed = {each.image_id for each in ranked(plums.identify())}
    assert not listed & {duplicate, blurred, benchmark}
    assert listed >= {*plums.plums[3:], apple}


def test_a_job_done_again_gives_the_same_and_a_standing_one_looks_for_none(plums: Orchard):
    first, second = (ranked(plums.identify()) for _ in range(2))
    values = [[(each.rank, each.image_id, each.score, each.nearest_id) for each in one] for one in (first, second)]
    assert values[0] == values[1]
    lasting = tiny_version(plums.project_id, NAMES, below_cutoff=frozenset({"Plum"}))
    deploy(plums.project_id, lasting.id)
    options = standing_follow_up(plums.project_id)
    asked = {"parameters": options["parameters"], "coalesce_key": options["coalesce_key"]}
    run = run_now(plums.project_id, KIND, work=identify, **asked)
    assert run.result["candidates"] == {}
    with read() as session:
        assert not job_scope(session, run.result["job_id"], plums.project_id).has_candidates


def test_what_is_accepted_lifts_the_class_leaves_the_list_and_comes_back_by_undo(plums: Orchard):
    job_id = plums.identify()
    chosen = [each.image_id for each in ranked(job_id)[:4]]

    def standing() -> tuple[int, int, int]:
        with read() as session:
            need = class_needs(session, job_scope(session, job_id, plums.project_id))[0]
        return need.usable, need.lacks, need.candidates

    assert standing()[:2] == (5, 35)
    before = standing()[2]
    sent = AcceptRequest(image_ids=chosen, class_id=plums.plum)
    with write() as session:
        user_id = user(session, "ann")
        done = accept_predictions(session, sent, job_id=job_id, project_id=plums.project_id, user_id=user_id)
        assert {session.get_one(Image, image_id).class_id for image_id in chosen} == {plums.plum}
    assert standing() == (9, 31, before - 4)
    with write() as session:
        undo(session, done.action_id, project_id=plums.project_id, user_id=user_id, may_undo_others=True)
    assert standing() == (5, 35, before)
    other = AcceptRequest(image_ids=chosen, class_id=plums.version.class_ids[0])
    with write() as session, pytest.raises(InvalidInput, match="candidate"):
        accept_predictions(session, other, job_id=job_id, project_id=plums.project_id, user_id=user_id)
    with read() as session:
        assert candidate_counts(session, job_id, [plums.plum]) == {plums.plum: before}


def test_neighbours_speak_where_the_head_is_mute_and_the_head_where_all_are_alike():
    random = np.random.default_rng(3)
    kinds = np.eye(8, dtype=np.float32)
    rows = np.repeat(kinds[:2] * 4, 10, axis=0) + random.normal(0, 0.3, (20, 8)).astype(np.float32)
    labelled = Labelled(np.arange(100, 120), np.repeat([1, 2], 10), rows)
    pool = np.concatenate([np.repeat(kinds[1:2] * 4, 5, axis=0), np.repeat(kinds[2:3] * 4, 45, axis=0)])
    pool += random.normal(0, 0.3, pool.shape).astype(np.float32)
    ids, mute = np.arange(50), np.full((50, 2), 0.5, dtype=np.float32)
    best = Ranker(labelled, pool, mute, [1, 2]).rank(2, ids, pool, mute, most=5)
    assert set(best.image_ids.tolist()) == set(range(5))
    alike = np.repeat(pool[:1], 50, axis=0)
    sure = mute.copy()
    sure[40:45, 1] = 0.9
    best = Ranker(labelled, alike, sure, [1, 2]).rank(2, ids, alike, sure, most=5)
    assert best.image_ids.tolist() == [40, 41, 42, 43, 44]


def test_the_page_shows_one_class_with_its_need_and_shrinks_as_people_accept(sign_in_as: SignInAs, project: Project):
    plums = orchard(project.id)
    job_id, browser = plums.identify(), sign_in_as("labeller")
    address = f"/projects/{project.slug}/identify/{job_id}"

    def shown(query: str = "") -> list[int]:
        page = browser.get(f"{address}?view=candidates{query}").text
        return [int(found) for found in re.findall(r'role="option"[^>]*data-id="(\d+)"', page)]

    page = browser.get(f"{address}?view=candidates").text
    assert f'data-class-id="{plums.plum}"' in page
    nearest = re.findall(r'cell-beside" src="/projects/[^/]+/images/(\d+)/thumbnail', page)
    assert len(nearest) == 56
    assert set(map(int, nearest)) <= set(plums.labelled_plums)
    assert shown() == [each.image_id for each in ranked(job_id)]
    assert shown("&sort=doubtful") == shown()[::-1]
    side = browser.get(f"{address}/classes?view=candidates").text
    assert "5 of 40 usable, needs 35 more" in side
    first = shown()[:3]
    answer = browser.post(f"{address}/accept", json={"image_ids": first, "class_id": plums.plum})
    assert answer.json()["changed"] == 3
    assert not set(first) & set(shown())
    assert "8 of 40 usable, needs 32 more" in browser.get(f"{address}/classes?view=candidates").text
    below = browser.get(f"{address}/cells?view=candidates&at={shown()[10]}").text
    assert re.findall(r'data-id="(\d+)"', below)[0] == str(shown()[10])
