"""Filtering images by the benchmark set or the snapshot that they are in."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session

from app.core.texts import tr
from app.datasets.models import BenchmarkImage, BenchmarkSet, Snapshot, SnapshotImage
from app.library.grammar import Choice, Field, Values, is_any, number_id
from app.library.models import Image

_SETS_OFFERED: Final = 100


def _in_sets(values: Values) -> ColumnElement[bool]:
    return exists().where(BenchmarkImage.image_id == Image.id, is_any(BenchmarkImage.set_id)(values))


def _ids(project_id: int, values: Values) -> Select[Any]:  # noqa: ARG001 - its images' project is asked besides
    return select(BenchmarkImage.image_id).where(is_any(BenchmarkImage.set_id)(values))


def _sets(session: Session, project_id: int) -> list[Choice]:
    query = select(BenchmarkSet.id, BenchmarkSet.name, BenchmarkSet.version).where(
        BenchmarkSet.project_id == project_id
    )
    rows = session.execute(query.order_by(BenchmarkSet.id.desc()).limit(_SETS_OFFERED))
    return [
        (str(number), tr("%(name)s, version %(version)s", name=name, version=version)) for number, name, version in rows
    ]


def _in_snapshots(values: Values) -> ColumnElement[bool]:
    return exists().where(SnapshotImage.image_id == Image.id, is_any(SnapshotImage.snapshot_id)(values))


def _ids_of_snapshots(project_id: int, values: Values) -> Select[Any]:  # noqa: ARG001 - as above
    return select(SnapshotImage.image_id).where(is_any(SnapshotImage.snapshot_id)(values))


def _snapshots(session: Session, project_id: int) -> list[Choice]:
    query = select(Snapshot.id).where(Snapshot.project_id == project_id).order_by(Snapshot.id.desc())
    found = session.scalars(query.limit(_SETS_OFFERED))
    return [(str(number), tr("Snapshot %(number)s", number=number)) for number in found]


FIELDS: Final = (
    Field(
        "snapshot_id",
        lambda: tr("Snapshot"),
        "data_sets",
        number_id,
        _in_snapshots,
        _ids_of_snapshots,
        in_order=True,
        many=True,
        choices=_snapshots,
    ),
    Field(
        "benchmark_set_id",
        lambda: tr("Benchmark set"),
        "data_sets",
        number_id,
        _in_sets,
        _ids,
        in_order=True,
        many=True,
        choices=_sets,
    ),
)
