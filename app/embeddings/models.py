"""Tables of the embedding index: which shard and row holds an image's embedding by a trunk, and what lies together."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Table


class EmbeddingShard(Table):
    """One file of raw float16 rows."""

    __tablename__ = "embedding_shard"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), index=True)
    name: Mapped[str]
    rows: Mapped[int]
    width: Mapped[int]
    created_at: Mapped[datetime]


class Embedding(Table):
    """Where an image's embedding lies. It holds for the rotation it was computed with; another makes it stale."""

    __tablename__ = "embedding"
    __table_args__ = (Index("ix_embedding_shard", "shard_id", "row"),)

    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    rotation: Mapped[int] = mapped_column(SmallInteger)
    shard_id: Mapped[int] = mapped_column(ForeignKey("embedding_shard.id"))
    row: Mapped[int] = mapped_column(Integer)


class Clustering(Table):
    """The centres that a project's images are assigned to: float16 (clusters, E) unit vectors, by one trunk.

    `images` is how many there were when the centres were found; later arrivals join the nearest centre.
    """

    __tablename__ = "clustering"

    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), primary_key=True)
    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), primary_key=True)
    clusters: Mapped[int]
    images: Mapped[int]
    centres: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class ImageCluster(Table):
    """The cluster (0 to clusters - 1, within the project) that an image lies in by a trunk.

    `rank` is the place in the cluster when the centres were found, 0 nearest to its centre; later arrivals are
    counted on from the end. So "rank 0, then rank 1 …" spreads over the clusters.
    """

    __tablename__ = "image_cluster"
    __table_args__ = (
        Index("ix_image_cluster_together", "project_id", "trunk_id", "cluster", "rank"),
        Index("ix_image_cluster_spread", "project_id", "trunk_id", "rank", "cluster"),
    )

    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    cluster: Mapped[int] = mapped_column(Integer)
    rank: Mapped[int] = mapped_column(Integer)


class MapLayout(Table):
    """One drawing of the library on a plane, by a trunk. The newest finished one is shown; older ones are dropped."""

    __tablename__ = "map_layout"
    __table_args__ = (Index("ix_map_layout_newest", "project_id", "trunk_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    trunk_id: Mapped[int] = mapped_column(ForeignKey("trunk.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), unique=True)
    images: Mapped[int] = mapped_column(default=0)
    last_image_id: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class MapPoint(Table):
    """Where an image lies on a map: x to the right and y upwards, the longer side of the map from 0 to 1.

    `place` is its place in a random order: the first 10,000 places are an even sample of the whole map.
    """

    __tablename__ = "map_point"
    __table_args__ = (
        Index("ix_map_point_sample", "layout_id", "place"),
        Index("ix_map_point_across", "layout_id", "x"),
    )

    layout_id: Mapped[int] = mapped_column(ForeignKey("map_layout.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    place: Mapped[int] = mapped_column(Integer)
    x: Mapped[float]
    y: Mapped[float]
