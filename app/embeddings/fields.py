"""Filtering images by where they lie: an area drawn on the map, a cluster of the reference trunk's embeddings."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, select

from app.core.texts import tr
from app.embeddings.areas import ids_in_area, is_in_area, parse_area
from app.embeddings.models import ImageCluster
from app.library.grammar import Field, Values
from app.library.models import Image
from app.registry.models import ReferenceTrunk

_MOST_CLUSTERS: Final = 1_000_000


def _parse_cluster(text: str) -> int:
    """A cluster's number, from 0. Raises ValueError."""
    if not text.isascii() or not text.isdecimal() or int(text) >= _MOST_CLUSTERS:
        raise ValueError("a cluster's number")
    return int(text)


def _is_in_cluster(values: Values) -> ColumnElement[bool]:
    return exists().where(
        ImageCluster.image_id == Image.id,
        ImageCluster.trunk_id == ReferenceTrunk.trunk_id,
        ReferenceTrunk.project_id == Image.project_id,
        ImageCluster.cluster.in_(values),
    )


def _ids_in_cluster(project_id: int, values: Values) -> Select[Any]:
    trunk = select(ReferenceTrunk.trunk_id).where(ReferenceTrunk.project_id == project_id).scalar_subquery()
    return select(ImageCluster.image_id).where(
        ImageCluster.project_id == project_id, ImageCluster.trunk_id == trunk, ImageCluster.cluster.in_(values)
    )


FIELDS: Final = (
    Field("area", lambda: tr("Area"), "groups", parse_area, is_in_area, ids_in_area, kind="shape"),
    Field(
        "cluster",
        lambda: tr("Cluster (number)"),
        "groups",
        _parse_cluster,
        _is_in_cluster,
        _ids_in_cluster,
        kind="number",
    ),
)
