"""Images whose embeddings point nearly the same way are proposed as duplicates, one for each group there is."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sqlalchemy import insert, select

from app.core.database import read, write
from app.embeddings import alike
from app.embeddings.centres import unit_rows
from app.embeddings.store import add
from app.library.curation_models import DuplicateProposal, ProposedDuplicate
from app.library.duplicates import elect_representatives
from app.library.grouping import components
from app.registry.models import ReferenceTrunk
from app.registry.queries import get_trunk
from app.runs.models import Run, RunState
from tests.factories.datasets import make_duplicate_group
from tests.factories.library import add_images
from tests.factories.predictions import run_now
from tests.factories.registry import tiny_trunk_row
from tests.factories.runs import any_project
from tests.inference.networks import WIDTH


def twins(count: int, *, width: int = WIDTH) -> np.ndarray:
    """Rows of which each two neighbours are nearly the same."""
    random = np.random.default_rng(3)
    rows = np.repeat(random.standard_normal((count // 2, width)), 2, axis=0)
    return (rows + random.normal(scale=0.02, size=rows.shape)).astype(np.float32)


def links_of(rows: np.ndarray, similarity: float) -> list[list[int]]:
    near = np.argwhere(np.triu(rows @ rows.T >= similarity, 1)).tolist()
    return list(components((left, right) for left, right in near))


def test_links_are_those_that_comparing_all_with_all_would_give():
    rows = unit_rows(twins(2200, width=64))
    half = rows.astype(np.float16)
    expected = links_of(half.astype(np.float32), 0.97)
    assert len(expected) == 1100
    for search, most_missed in ((alike.all_alike, 0), (alike.graph_alike, 22)):
        left, right, cosine = search(half, 0.97)
        found = list(components(zip(left.tolist(), right.tolist(), strict=True)))
        assert all(pair in expected for pair in found)
        assert len(expected) - len(found) <= most_missed  # A graph is searched by its edges, and finds nearly all.
        np.testing.assert_allclose(cosine, np.sum(rows[left] * rows[right], axis=1), atol=2e-3)


@pytest.mark.parametrize("exact_up_to", [100, 0])
def test_a_search_proposes_them_and_a_group_goes_as_one(
    installation: object,  # noqa: ARG001 - must exist first
    exact_up_to: int,
):
    with write() as session:
        project_id, trunk_id = any_project(session), tiny_trunk_row(session)
        session.execute(insert(ReferenceTrunk).values(project_id=project_id, trunk_id=trunk_id))
        trunk = get_trunk(session, trunk_id)
        ids = add_images(session, project_id, 6, phash=1)
        group = make_duplicate_group(session, project_id)
        ids += add_images(session, project_id, 2, phash=1, duplicate_group_id=group)
        elect_representatives(session, [group])
    add(trunk, [(image_id, 0) for image_id in ids], np.eye(4, WIDTH, dtype=np.float32)[[0, 0, 1, 2, 2, 3, 0, 0]] * 3)
    run = run_now(project_id, alike.KIND, {"similarity": 0.97}, partial(alike.look_for_alikes, exact_up_to=exact_up_to))
    assert (run.state, run.result) == (RunState.SUCCEEDED, {"images": 7, "similarity": 0.97, "proposals": 2})
    with read() as session:
        rows = session.execute(
            select(DuplicateProposal.kind, ProposedDuplicate.image_id, ProposedDuplicate.distance)
            .join(ProposedDuplicate, ProposedDuplicate.proposal_id == DuplicateProposal.id)
            .order_by(ProposedDuplicate.image_id)
        ).all()
    assert [row.image_id for row in rows] == [ids[0], ids[1], ids[3], ids[4], ids[6]]
    assert {row.kind for row in rows} == {"embedding"}
    assert max(row.distance for row in rows) < 1e-3


def test_without_a_trunk_the_run_says_what_is_missing(installation: object):  # noqa: ARG001 - must exist first
    with write() as session:
        project_id = any_project(session)
    run: Run = run_now(project_id, alike.KIND, {}, alike.look_for_alikes)
    assert run.state == RunState.FAILED
    assert "no reference trunk yet" in (run.error_message or "")
