"""The most diverse images: one of each cluster without a label, then from cluster to cluster by rank."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ScalarSelect, exists, select, text, tuple_
from sqlalchemy.orm import Session, aliased

from app.core.database import Json
from app.embeddings.models import ImageCluster
from app.labelling.streams import WINDOW, Window
from app.library.models import IN_QUEUE, Image, ImageState
from app.registry.queries import reference_trunk

CLUSTERS_AT_ONCE: Final = 60


def diverse(session: Session, project_id: int, cursors: Json) -> Window:
    """The next stretch. Clusters without a label come first; then rank 0 of every cluster, rank 1, and so on."""
    trunk = reference_trunk(session, project_id)
    if trunk is None:
        return Window([], cursors, 0, is_end=True)
    if "rank" not in cursors:
        return _unlabelled_clusters(session, project_id, trunk.id, cursors.get("cluster", -1))
    return _by_rank(session, project_id, trunk.id, (cursors["rank"], cursors["cluster"]))


def _unlabelled_clusters(session: Session, project_id: int, trunk_id: int, after: int) -> Window:
    clusters = (
        select(ImageCluster.cluster)
        .where(ImageCluster.project_id == project_id, ImageCluster.trunk_id == trunk_id)
        .where(ImageCluster.rank == 0, ImageCluster.cluster > after)
        .order_by(ImageCluster.cluster)
        .limit(CLUSTERS_AT_ONCE)
        .subquery()
    )
    member = aliased(ImageCluster)
    of_cluster = (
        member.project_id == project_id,
        member.trunk_id == trunk_id,
        member.cluster == clusters.c.cluster,
        Image.id == member.image_id,
    )
    is_labelled = exists().where(*of_cluster, Image.state == ImageState.LABELLED)
    first: ScalarSelect[int] = (
        select(member.image_id).where(*of_cluster, text(IN_QUEUE)).order_by(member.rank).limit(1).scalar_subquery()
    )
    rows = session.execute(
        select(clusters.c.cluster, is_labelled.correlate(clusters), first.correlate(clusters)).order_by(
            clusters.c.cluster
        )
    ).all()
    found = [image_id for _, labelled, image_id in rows if not labelled and image_id is not None]
    if len(rows) < CLUSTERS_AT_ONCE:
        return Window(found, {"rank": -1, "cluster": 0}, len(rows))
    return Window(found, {"cluster": rows[-1][0]}, len(rows))


def _by_rank(session: Session, project_id: int, trunk_id: int, after: tuple[int, int]) -> Window:
    place = (ImageCluster.rank, ImageCluster.cluster)
    walk = (
        select(ImageCluster.image_id, *place)
        .where(ImageCluster.project_id == project_id, ImageCluster.trunk_id == trunk_id, tuple_(*place) > after)
        .order_by(*place)
        .limit(WINDOW)
    )
    rows = session.execute(walk).all()
    if not rows:
        return Window([], {"rank": after[0], "cluster": after[1]}, 0, is_end=True)
    ids = [row.image_id for row in rows]
    waits = set(session.scalars(select(Image.id).where(Image.id.in_(ids), text(IN_QUEUE))))
    last = {"rank": rows[-1].rank, "cluster": rows[-1].cluster}
    return Window([each for each in ids if each in waits], last, len(rows), is_end=len(rows) < WINDOW)
