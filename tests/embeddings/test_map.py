"""The map: what looks alike lies together, an area drawn on it is a filter, a new map takes the place of the old."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.embeddings.areas import MOST_CORNERS, Area
from app.embeddings.map_points import map_points, map_status
from app.embeddings.maps import KIND, draw_map
from app.embeddings.models import MapLayout, MapPoint
from app.embeddings.projection import Neighbourhood, find_axes, into_unit_square, lay_out
from app.library.filters import ImageFilter
from app.library.models import Image
from app.registry.models import ReferenceTrunk
from app.runs.models import RunState
from tests.embeddings.test_clusters import embedded, heaps
from tests.factories.predictions import run_now
from tests.factories.registry import tiny_trunk_row
from tests.factories.runs import any_project


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


def matching(project_id: int, area: str) -> set[int]:
    with read() as session:
        query = select(Image.id).where(Image.project_id == project_id)
        return set(session.scalars(ImageFilter.from_query({"area": area}).apply(query)))


def test_heaps_lie_apart_and_an_area_round_one_finds_it(project_id: int, trunk_id: int) -> None:
    ids = embedded(project_id, trunk_id, heaps(2, 20))
    run = run_now(project_id, KIND, {}, draw_map)
    assert run.state == RunState.SUCCEEDED
    with read() as session:
        points = {row.image_id: (row.x, row.y) for row in session.scalars(select(MapPoint))}
        layout_id = session.scalars(select(MapLayout.id)).one()
        status = map_status(session, project_id)
    assert status.layout is not None
    assert (status.layout.images, status.arrived) == (40, 0)
    one, other = (np.array([points[image_id] for image_id in part]) for part in (ids[:20], ids[20:]))
    apart = np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))
    assert apart > np.linalg.norm(one - one.mean(axis=0), axis=1).max()
    low, high = one.min(axis=0) - 0.01, one.max(axis=0) + 0.01
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    area = f"{layout_id}:" + ";".join(f"{x:.4f},{y:.4f}" for x, y in corners)
    assert matching(project_id, area) == set(ids[:20])
    assert matching(project_id, area.replace(f"{layout_id}:", f"{layout_id + 1}:")) == set()


def test_a_new_map_replaces_the_old_and_tells_of_arrivals_until_then(project_id: int, trunk_id: int) -> None:
    embedded(project_id, trunk_id, heaps(2, 10))
    run_now(project_id, KIND, {}, draw_map)
    embedded(project_id, trunk_id, heaps(1, 5, seed=3))
    with read() as session:
        assert map_status(session, project_id).arrived == 5
    run_now(project_id, KIND, {}, draw_map)
    with read() as session:
        assert map_status(session, project_id).arrived == 0
        assert session.scalar(select(func.count()).select_from(MapLayout)) == 1
        assert session.scalar(select(func.count()).select_from(MapPoint)) == 25


def test_without_embeddings_there_is_no_map_and_the_run_says_why(project_id: int, trunk_id: int) -> None:  # noqa: ARG001 - a trunk alone
    run = run_now(project_id, KIND, {}, draw_map)
    assert run.state == RunState.FAILED
    assert "embed the library first" in (run.error_message or "")


def test_points_are_those_that_match_in_one_binary_answer(project_id: int, trunk_id: int) -> None:
    ids = embedded(project_id, trunk_id, heaps(1, 12))
    run_now(project_id, KIND, {}, draw_map)
    with read() as session:
        layout = map_status(session, project_id).layout
        assert layout is not None
        whole = map_points(session, project_id, layout.id, ImageFilter())
        none = map_points(session, project_id, layout.id, ImageFilter.from_query({"state": "unknown"}))
        foreign = map_points(session, project_id + 1, layout.id, ImageFilter())
    length = int.from_bytes(whole[:4], "little")
    assert set(np.frombuffer(whole, "<f8", 12, 4 + length).astype(int)) == set(ids)
    assert (4 + length) % 8 == 0
    assert b'"count": 0' in none
    assert b'"count": 0' in foreign


@pytest.mark.parametrize(
    "area",
    [
        "",
        "1",
        "1:",
        "0:0,0;1,0;1,1",
        "1:0,0;1,0",
        "1:0,0;1,0;nan,1",
        "1:0,0;1,0;9,9",
        "1:0,0;1,0;1,1;' OR 1=1",
        "x:0,0;1,0;1,1",
        "1:" + ";".join(["0,0"] * (MOST_CORNERS + 1)),
    ],
)
def test_what_is_no_area_is_refused(area: str) -> None:
    with pytest.raises(ValueError, match=r"corners|layout"):
        Area.parse(area)
    if area:
        with pytest.raises(InvalidInput):
            ImageFilter.from_query({"area": area})


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_later_rows_are_placed_among_their_neighbours(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(24, 8)).astype(np.float32)
    places = into_unit_square(lay_out(find_axes(rows.astype(np.float16)).reduce(rows)))
    assert places.min() >= 0
    assert places.max() <= 1
    again = Neighbourhood(rows, places).place(rows)
    assert np.abs(again - places).max() < 0.01
