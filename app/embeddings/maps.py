"""The run that draws the map of a project's library by its reference trunk, with what is embedded now.

A kill costs what was drawn so far; a repeated attempt begins a layout of its own, and unfinished ones are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows, read, write
from app.core.errors import Conflict
from app.embeddings.centres import unit_rows
from app.embeddings.models import MapLayout, MapPoint
from app.embeddings.projection import Axes, Neighbourhood, find_axes, into_unit_square, lay_out
from app.embeddings.queries import library_ids, library_size
from app.embeddings.store import read_embeddings
from app.registry.queries import reference_trunk
from app.registry.schemas import TrunkRef
from app.runs.context import RunContext
from app.runs.service import request_one

KIND: Final = "embeddings.map"
TITLE: Final = "Draw the map"
SAMPLE: Final = 100_000
_PAGE: Final = 4096
_ROWS_PER_WRITE: Final = 1000
_SEED: Final = 20

Drawn = tuple[NDArray[np.int64], NDArray[np.float32]]


def request_map(session: Session, project_id: int, *, user_id: int | None) -> int:
    """Draw the map anew, in the background. Returns the run, or the one queued already."""
    return request_one(session, project_id=project_id, kind=KIND, title=TITLE, parameters={}, created_by=user_id)


def draw_map(context: RunContext) -> None:
    """The run kind `embeddings.map`."""
    with read() as session:
        trunk = reference_trunk(session, context.project_id)
        size = library_size(session, context.project_id)
    if trunk is None:
        raise Conflict("this project has no reference trunk yet; it gets one with its first pretrained version")
    ids, places = _drawn(context, trunk, size)
    layout_id = _begin(context, trunk)
    _keep(context, layout_id, ids, places)
    with write() as session:
        layout = session.get_one(MapLayout, layout_id)
        layout.images, layout.last_image_id, layout.finished_at = len(ids), int(ids.max(initial=0)), now()
        context.complete(session, {"layout_id": layout_id, "images": len(ids)})
    drop_layouts(context.project_id, keep=layout_id)


def _drawn(context: RunContext, trunk: TrunkRef, size: int) -> Drawn:
    """Ids (N,) and places (N, 2) of all that is embedded: an even sample is laid out, the rest is placed within it."""
    step = max(1, -(-size // SAMPLE))
    context.progress(0, size, "Reading embeddings")
    sampled, sample = _sample(trunk, context.project_id, step)
    if not len(sampled):
        raise Conflict("nothing of this library is embedded yet; embed the library first")
    axes = find_axes(sample)
    reduced = np.concatenate([axes.reduce(part.astype(np.float32)) for part in np.array_split(sample, step + 16)])
    del sample
    context.progress(len(sampled), size, "Laying the sample out")
    places = lay_out(reduced)
    if step > 1:
        sampled, places = _with_the_rest(context, trunk, axes, (sampled, places), Neighbourhood(reduced, places), size)
    return sampled, into_unit_square(places)


def _sample(trunk: TrunkRef, project_id: int, step: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    ids: list[int] = []
    rows = [np.empty((0, trunk.width), dtype=np.float16)]
    for found, page in _pages(trunk, islice(library_ids(project_id), 0, None, step)):
        ids += found
        rows.append(page.astype(np.float16))
    return np.asarray(ids, dtype=np.int64), np.concatenate(rows)


def _with_the_rest(
    context: RunContext, trunk: TrunkRef, axes: Axes, sampled: Drawn, among: Neighbourhood, size: int
) -> Drawn:
    ids, places = [sampled[0]], [sampled[1]]
    known = set(sampled[0].tolist())
    rest = (image_id for image_id in library_ids(context.project_id) if image_id not in known)
    for found, page in _pages(trunk, rest):
        ids.append(np.asarray(found, dtype=np.int64))
        places.append(among.place(axes.reduce(page)))
        context.progress(sum(map(len, ids)), size, "Placing the rest")
    return np.concatenate(ids), np.concatenate(places)


def _pages(trunk: TrunkRef, image_ids: Iterator[int]) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """(ids, unit rows) of those that have an embedding."""
    while page := list(islice(image_ids, _PAGE)):
        with read() as session:
            found, rows = read_embeddings(session, trunk.id, page)
        if found:
            yield found, unit_rows(rows)


def _begin(context: RunContext, trunk: TrunkRef) -> int:
    """A new layout of this run, after those that an earlier attempt left are gone."""
    with read() as session:
        left = session.scalar(select(MapLayout.id).where(MapLayout.run_id == context.run_id))
    if left is not None:
        _drop(left)
    with write() as session:
        layout = MapLayout(
            project_id=context.project_id, trunk_id=trunk.id, run_id=context.run_id, created_at=now(), finished_at=None
        )
        session.add(layout)
        session.flush()
        return layout.id


def _keep(context: RunContext, layout_id: int, ids: NDArray[np.int64], places: NDArray[np.float32]) -> None:
    """Write the points, about 1,000 at a time, leaving the lock to others for as long in between."""
    order = np.random.default_rng(_SEED).permutation(len(ids))
    for start in range(0, len(ids), _ROWS_PER_WRITE):
        began = time.monotonic()
        part = slice(start, start + _ROWS_PER_WRITE)
        columns: Sequence[Sequence[float]] = (ids[part].tolist(), order[part].tolist(), *places[part].T.tolist())
        rows = [
            {"layout_id": layout_id, "image_id": image_id, "place": place, "x": round(x, 6), "y": round(y, 6)}
            for image_id, place, x, y in zip(*columns, strict=True)
        ]
        with write() as session:
            session.connection().execute(insert(MapPoint), rows)
        context.progress(min(start + _ROWS_PER_WRITE, len(ids)), len(ids), "Keeping the map")
        if len(rows) == _ROWS_PER_WRITE:
            time.sleep(time.monotonic() - began)


def drop_layouts(project_id: int, *, keep: int) -> None:
    """Delete a project's older layouts. Newer ones are another run's."""
    with read() as session:
        older = select(MapLayout.id).where(MapLayout.project_id == project_id, MapLayout.id < keep)
        layouts = session.scalars(older).all()
    for layout_id in layouts:
        _drop(layout_id)


def _drop(layout_id: int) -> None:
    """Delete a layout with its points, in short transactions."""
    of_layout = MapPoint.layout_id == layout_id
    while True:
        with write() as session:
            some = list(session.scalars(select(MapPoint.image_id).where(of_layout).limit(_ROWS_PER_WRITE)))
            if not some:
                session.execute(delete(MapLayout).where(MapLayout.id == layout_id))
                return
            gone = delete(MapPoint).where(of_layout, MapPoint.image_id.in_(id_rows(session, some)))
            session.execute(gone, execution_options={"synchronize_session": False})
