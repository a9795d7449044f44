"""The run that keeps a project's clusters: centres once, later arrivals to the nearest, all anew when it has doubled.

A pass over the library reads 4,096 embeddings at a time; what is kept of an image is 12 bytes. A kill costs the pass;
what it wrote is written again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, insert_into, read, write
from app.core.errors import Conflict
from app.embeddings.centres import (
    SAMPLE,
    continued_ranks,
    find_centres,
    nearest_centres,
    ranks_within,
    unit_rows,
    wanted_clusters,
)
from app.embeddings.models import Clustering, Embedding, ImageCluster
from app.embeddings.queries import library_ids
from app.embeddings.states import EMBEDDED_STATES
from app.embeddings.store import read_embeddings
from app.library.models import Image
from app.registry.queries import reference_trunk
from app.registry.schemas import TrunkRef
from app.runs.context import RunContext

KIND: Final = "embeddings.cluster"
TITLE: Final = "Find clusters"
_PAGE: Final = 4096
_ROWS_PER_WRITE: Final = 1000
_GROWTH: Final = 2


def clusters_follow_up(project_id: int) -> Json:
    """A run's follow-up that brings the clusters up to date; many at once become one."""
    return {"kind": KIND, "title": TITLE, "parameters": {}, "coalesce_key": f"{KIND}:{project_id}"}


def cluster_library(context: RunContext) -> None:
    """The run kind `embeddings.cluster`: every embedded image of the reference trunk belongs to a cluster."""
    with read() as session:
        trunk = reference_trunk(session, context.project_id)
        if trunk is None:
            raise Conflict("this project has no reference trunk yet; it gets one with its first pretrained version")
        embedded = _count_embedded(session, context.project_id, trunk.id)
        known = session.get(Clustering, (context.project_id, trunk.id))
    if known is None or embedded >= _GROWTH * known.images:
        joined = _cluster_anew(context, trunk, embedded)
    else:
        centres = np.frombuffer(known.centres, np.float16).reshape(known.clusters, trunk.width).astype(np.float32)
        joined = _join(context, trunk, centres)
    with write() as session:
        context.complete(session, {"images": embedded, "joined": joined})


def _count_embedded(session: Session, project_id: int, trunk_id: int) -> int:
    query = select(func.count()).select_from(Embedding).join(Image, Image.id == Embedding.image_id)
    of_project = query.where(Embedding.trunk_id == trunk_id, Image.project_id == project_id)
    return session.scalar(of_project.where(Image.state.in_(EMBEDDED_STATES))) or 0


def _cluster_anew(context: RunContext, trunk: TrunkRef, embedded: int) -> int:
    """Find centres from an even sample, then place every image; returns how many."""
    step = max(1, embedded // SAMPLE)
    sample = [rows.astype(np.float16) for _, rows in _pages(trunk, library_ids(context.project_id), step=step)]
    if not sample:
        return 0
    context.progress(0, embedded, "Finding the centres")
    centres = find_centres(np.concatenate(sample), wanted_clusters(embedded))
    del sample
    ids: list[NDArray[np.int64]] = []
    clusters: list[NDArray[np.int32]] = []
    cosines: list[NDArray[np.float32]] = []
    for found, rows in _pages(trunk, library_ids(context.project_id)):
        places, nearness = nearest_centres(rows, centres)
        ids.append(np.asarray(found, dtype=np.int64))
        clusters.append(places)
        cosines.append(nearness)
        context.progress(sum(map(len, ids)), embedded, "Placing images")
    all_clusters = np.concatenate(clusters)
    ranks = ranks_within(all_clusters, np.concatenate(cosines))
    _keep_centres(context.project_id, trunk, centres, images=embedded)
    _keep(context.project_id, trunk.id, np.concatenate(ids).tolist(), all_clusters.tolist(), ranks.tolist())
    return len(all_clusters)


def _join(context: RunContext, trunk: TrunkRef, centres: NDArray[np.float32]) -> int:
    """Let images without a cluster join the nearest; returns how many."""
    with read() as session:
        members = select(ImageCluster.cluster, func.max(ImageCluster.rank) + 1).group_by(ImageCluster.cluster)
        of_project = (ImageCluster.project_id == context.project_id, ImageCluster.trunk_id == trunk.id)
        taken = {cluster: count for cluster, count in session.execute(members.where(*of_project))}  # noqa: C416 - rows are no tuples to mypy
    joined = 0
    for found, rows in _pages(trunk, _unplaced_ids(context.project_id, trunk.id)):
        clusters = nearest_centres(rows, centres)[0].tolist()
        _keep(context.project_id, trunk.id, found, clusters, continued_ranks(clusters, taken))
        joined += len(found)
        context.progress(joined, joined, "Placing images")
    return joined


def _pages(
    trunk: TrunkRef, image_ids: Iterator[int], *, step: int = 1
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """(ids, unit rows) of those that have an embedding, of every `step`th image."""
    wanted = islice(image_ids, 0, None, step)
    while page := list(islice(wanted, _PAGE)):
        with read() as session:
            found, rows = read_embeddings(session, trunk.id, page)
        if found:
            yield found, unit_rows(rows)


def _unplaced_ids(project_id: int, trunk_id: int) -> Iterator[int]:
    """Ids of embedded images without a cluster, ascending, page by page in short sessions."""
    placed = exists().where(ImageCluster.trunk_id == trunk_id, ImageCluster.image_id == Embedding.image_id)
    waiting = (
        select(Embedding.image_id)
        .join(Image, Image.id == Embedding.image_id)
        .where(Embedding.trunk_id == trunk_id, Image.project_id == project_id, Image.state.in_(EMBEDDED_STATES))
        .where(~placed)
        .order_by(Embedding.image_id)
        .limit(_PAGE)
    )
    last = 0
    while True:
        with read() as session:
            page = session.scalars(waiting.where(Embedding.image_id > last)).all()
        if not page:
            return
        yield from page
        last = page[-1]


def _keep_centres(project_id: int, trunk: TrunkRef, centres: NDArray[np.float32], *, images: int) -> None:
    row = {
        "project_id": project_id,
        "trunk_id": trunk.id,
        "clusters": len(centres),
        "images": images,
        "centres": centres.astype(np.float16).tobytes(),
        "created_at": now(),
    }
    with write() as session:
        statement = insert_into(session, Clustering)
        replaced = {name: statement.excluded[name] for name in ("clusters", "images", "centres", "created_at")}
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=["project_id", "trunk_id"], set_=replaced), [row]
        )


def _keep(
    project_id: int, trunk_id: int, image_ids: Sequence[int], clusters: Sequence[int], ranks: Sequence[int]
) -> None:
    """Write the places, about 1,000 rows at a time, leaving the lock to others for as long in between."""
    places = zip(image_ids, clusters, ranks, strict=True)
    while part := list(islice(places, _ROWS_PER_WRITE)):
        began = time.monotonic()
        rows = [
            {"project_id": project_id, "trunk_id": trunk_id, "image_id": image_id, "cluster": cluster, "rank": rank}
            for image_id, cluster, rank in part
        ]
        with write() as session:
            statement = insert_into(session, ImageCluster)
            replaced = {name: statement.excluded[name] for name in ("cluster", "rank")}
            session.connection().execute(
                statement.on_conflict_do_update(index_elements=["trunk_id", "image_id"], set_=replaced), rows
            )
        if len(rows) == _ROWS_PER_WRITE:
            time.sleep(time.monotonic() - began)
