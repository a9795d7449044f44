"""Clusters: what looks alike lies together, later arrivals join the nearest, a doubled library is clustered anew."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import insert, select

from app.core.database import read, write
from app.embeddings.centres import find_centres, nearest_centres, ranks_within, unit_rows, wanted_clusters
from app.embeddings.clusters import KIND, cluster_library
from app.embeddings.models import Clustering, ImageCluster
from app.embeddings.store import add
from app.registry.models import ReferenceTrunk
from app.registry.queries import get_trunk
from app.runs.models import RunState
from tests.factories.library import add_images
from tests.factories.predictions import run_now
from tests.factories.registry import tiny_trunk_row
from tests.factories.runs import any_project
from tests.inference.networks import WIDTH


def heaps(count: int, each: int, *, seed: int = 0) -> np.ndarray:
    """`count` heaps of `each` rows around directions of their own, one heap after another."""
    random = np.random.default_rng(seed)
    centres = np.repeat(np.eye(WIDTH, dtype=np.float32)[:count], each, axis=0)
    return (centres * 4 + random.normal(scale=0.1, size=(count * each, WIDTH))).astype(np.float32)


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


@pytest.fixture
def trunk_id(project_id: int) -> int:
    with write() as session:
        trunk_id = tiny_trunk_row(session)
        session.execute(insert(ReferenceTrunk).values(project_id=project_id, trunk_id=trunk_id))
    return trunk_id


def embedded(project_id: int, trunk_id: int, rows: np.ndarray) -> list[int]:
    with write() as session:
        ids = add_images(session, project_id, len(rows))
        trunk = get_trunk(session, trunk_id)
    add(trunk, [(image_id, 0) for image_id in ids], rows)
    return ids


def places(project_id: int) -> dict[int, tuple[int, int]]:
    with read() as session:
        rows = session.scalars(select(ImageCluster).where(ImageCluster.project_id == project_id))
        return {row.image_id: (row.cluster, row.rank) for row in rows}


def test_a_library_is_clustered_by_what_looks_alike(project_id: int, trunk_id: int) -> None:
    ids = embedded(project_id, trunk_id, heaps(3, 40))
    run = run_now(project_id, KIND, {}, cluster_library)
    assert (run.state, run.result) == (RunState.SUCCEEDED, {"images": 120, "joined": 120})
    found = places(project_id)
    of_heaps = [{found[image_id][0] for image_id in ids[start : start + 40]} for start in (0, 40, 80)]
    assert [len(clusters) for clusters in of_heaps] == [1, 1, 1]
    assert len(set.union(*of_heaps)) == 3
    assert sorted(found[image_id][1] for image_id in ids[:40]) == list(range(40))


def test_later_arrivals_join_the_nearest_cluster_at_its_end(project_id: int, trunk_id: int) -> None:
    ids = embedded(project_id, trunk_id, heaps(3, 40))
    run_now(project_id, KIND, {}, cluster_library)
    before = places(project_id)
    late = embedded(project_id, trunk_id, heaps(3, 2, seed=1))
    run = run_now(project_id, KIND, {}, cluster_library)
    assert run.result == {"images": 126, "joined": 6}
    after = places(project_id)
    assert {image_id: after[image_id] for image_id in ids} == before
    assert [after[image_id][0] for image_id in late[::2]] == [before[ids[heap * 40]][0] for heap in range(3)]
    assert [after[image_id][1] for image_id in late] == [40, 41] * 3


def test_a_library_that_doubled_is_clustered_anew(project_id: int, trunk_id: int) -> None:
    embedded(project_id, trunk_id, heaps(2, 20))
    run_now(project_id, KIND, {}, cluster_library)
    embedded(project_id, trunk_id, heaps(4, 20, seed=1))
    assert run_now(project_id, KIND, {}, cluster_library).result == {"images": 120, "joined": 120}
    with read() as session:
        assert session.get_one(Clustering, (project_id, trunk_id)).clusters == 3


@pytest.mark.usefixtures("trunk_id")
def test_nothing_embedded_is_no_failure_and_no_trunk_is_one(project_id: int) -> None:
    assert run_now(project_id, KIND, {}, cluster_library).result == {"images": 0, "joined": 0}
    with write() as session:
        session.delete(session.get_one(ReferenceTrunk, project_id))
    assert run_now(project_id, KIND, {}, cluster_library).error_code == "conflict"


def test_centres_are_the_same_for_the_same_sample_and_ranks_count_from_the_nearest() -> None:
    sample = unit_rows(heaps(4, 30)).astype(np.float16)
    centres = find_centres(sample, 4)
    assert np.array_equal(centres, find_centres(sample, 4))
    assert np.allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-5)
    clusters, cosines = nearest_centres(sample.astype(np.float32), centres)
    ranks = ranks_within(clusters, cosines)
    for cluster in range(4):
        in_order = cosines[clusters == cluster][np.argsort(ranks[clusters == cluster])]
        assert np.all(np.diff(in_order) <= 0)


def test_a_small_library_gets_clusters_of_a_page_and_a_large_one_no_more_than_the_cap() -> None:
    assert [wanted_clusters(images) for images in (0, 10, 400, 1_000_000)] == [1, 1, 10, 1024]
