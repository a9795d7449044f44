"""The images of a snapshot as it froze them, for an export: class, sub-class, split and turn are those of then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.core.database import read
from app.datasets.models import SnapshotClass, SnapshotImage
from app.exchange.export_rows import PAGE, rows_of_ids
from app.exchange.formats.rows import ExportRow
from app.labelling.models import LabelClass, SubClass
from app.library.models import ImageState


def snapshot_rows(snapshot_id: int, *, page: int = PAGE) -> Iterator[ExportRow]:
    """Every image of the snapshot, oldest first, without a place yet; each page is read in a session of its own."""
    last = 0
    while True:
        with read() as session:
            frozen = {row.image_id: row for row in _page(session, snapshot_id, last, page)}
            found = list(rows_of_ids(session, list(frozen)))
        if not frozen:
            return
        last = max(frozen)
        for row in found:
            then = frozen[row.image_id]
            yield replace(
                row,
                state=ImageState.LABELLED.value,
                class_name=then.class_name,
                sub_class=then.sub_class or "",
                split=then.split,
                rotation=then.rotation,
                why=then.why,
            )


def _page(session: Session, snapshot_id: int, after: int, limit: int) -> list[Row[Any]]:
    same_class = (SnapshotClass.snapshot_id == SnapshotImage.snapshot_id) & (
        SnapshotClass.class_id == SnapshotImage.class_id
    )
    query = (
        select(
            SnapshotImage.image_id,
            SnapshotImage.split,
            SnapshotImage.rotation,
            SnapshotImage.why,
            func.coalesce(SnapshotClass.name, LabelClass.name).label("class_name"),
            SubClass.name.label("sub_class"),
        )
        .join(LabelClass, LabelClass.id == SnapshotImage.class_id)
        .outerjoin(SnapshotClass, same_class)
        .outerjoin(SubClass, SubClass.id == SnapshotImage.sub_class_id)
        .where(SnapshotImage.snapshot_id == snapshot_id, SnapshotImage.image_id > after)
        .order_by(SnapshotImage.image_id)
        .limit(limit)
    )
    return list(session.execute(query))
