"""The kept counts of results equal a full count, whatever is scored, labelled, undone, turned or dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.core.database import write
from app.labelling.service import apply_one_label_to, undo
from app.library.service import change_images
from app.predictions.counts import class_counts, kept_results, recount_results
from app.predictions.rows import CompactRows, insert_rows
from app.predictions.service import open_job
from app.runs.service import request_run
from tests.factories import labelling
from tests.factories.library import add_images
from tests.factories.registry import TinyVersion, tiny_version

picks = st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("score"), picks, st.sampled_from([0, 1, 2])),
        st.tuples(st.just("label"), picks, st.just(0)),
        st.tuples(st.just("state"), picks, st.sampled_from(["pool", "unknown", "removed", "none"])),
        st.tuples(st.just("origin"), picks, st.sampled_from(["real", "staged", "synthetic"])),
        st.tuples(st.just("turn"), picks, st.sampled_from([0, 90])),
        st.tuples(st.just("undo"), picks, st.just(0)),
    ),
    min_size=3,
    max_size=12,
)


def rows_of(image_ids: list[int], class_id: int) -> CompactRows:
    """Rows that put one class first."""
    count = len(image_ids)
    share = np.full((count, 1), 0.5, np.float32)
    return CompactRows(np.array(image_ids), np.full((count, 1), class_id), share, share[:, 0], share[:, 0])


def a_job(session: Session, project_id: int, version_id: int, purpose: str = "identification") -> int:
    kind = f"{'identification.identify' if purpose == 'identification' else 'evaluation.evaluate'}"
    run_id = request_run(session, project_id=project_id, kind=kind, title="Score", parameters={})
    return open_job(session, project_id=project_id, run_id=run_id, version_id=version_id, purpose=purpose)


@pytest.fixture
def place(installation: object) -> labelling.Workplace:  # noqa: ARG001 - must exist first
    """One for all examples: each adds images and jobs of its own."""
    with write() as session:
        return labelling.workplace(session)


@pytest.fixture
def version(place: labelling.Workplace) -> TinyVersion:
    return tiny_version(place.project_id, ["Lion", "Tiger"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=acts)
def test_kept_counts_equal_a_recount_after_any_acts(
    place: labelling.Workplace, version: TinyVersion, acts: list[tuple[str, list[int], Any]]
):
    done: list[int] = []
    by = {"project_id": place.project_id, "user_id": place.ann}
    with write() as session:
        ids = add_images(session, place.project_id, 10)
        jobs = [a_job(session, place.project_id, version.id) for _ in range(2)]
        evaluation = a_job(session, place.project_id, version.id, "evaluation")
        for act, picked, value in acts:
            chosen = [ids[pick] for pick in picked]
            if act == "score":
                insert_rows(session, jobs[value % 2], rows_of(chosen, version.class_ids[value // 2]))
                insert_rows(session, evaluation, rows_of(chosen, version.class_ids[0]))
            elif act == "label":
                done.append(apply_one_label_to(session, **by, image_ids=chosen, class_id=place.lion).action_id)
            elif act == "undo" and done:
                undo(session, done.pop(), **by, may_undo_others=False)
            elif act in {"state", "origin", "turn"}:
                changed = {"turn": "rotation"}.get(act, act)
                values = {changed: value} | ({"class_id": None} if act == "state" else {})
                change_images(session, chosen, project_id=place.project_id, **values)
            for job_id in jobs:
                assert kept_results(session, job_id) == recount_results(session, job_id)
        assert not kept_results(session, evaluation)
        truth = recount_results(session, jobs[0])
        pool = {key.class_id: 0 for key in truth}
        for key, images in truth.items():
            pool[key.class_id] += images if key.state == "pool" else 0
        assert dict(class_counts(session, jobs[0], ["pool"])) == {each: n for each, n in pool.items() if n}
