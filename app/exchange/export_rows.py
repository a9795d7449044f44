"""The images of an export as the database has them, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.core.database import id_rows, read
from app.exchange.formats.rows import ExportRow
from app.labelling.models import LabelClass, SubClass
from app.library.filters import ImageFilter
from app.library.metadata import metadata_of_images
from app.library.models import CaptureGroup, Image, ImageSource
from app.predictions.service import suggestions

PAGE: Final = 1_000
_GROUP_MARK: Final = "group:"


def export_rows(
    project_id: int, chosen: ImageFilter, *, with_predictions: bool, page: int = PAGE
) -> Iterator[ExportRow]:
    """Every image that matches, oldest first, without a place yet. Each page is read in a short session of its own.

    With predictions, those of the production version.
    """
    last = 0
    while True:
        with read() as session:
            rows = _page(session, project_id, chosen, last, page)
            ids = [row.id for row in rows]
            metadata = metadata_of_images(session, ids)
            suggested = suggestions(session, project_id, ids) if with_predictions and ids else None
        if not rows:
            return
        last = ids[-1]
        for row in rows:
            ranked = suggested.by_image.get(row.id, []) if suggested else []
            yield _export_row(
                row,
                metadata=metadata.get(row.id, {}),
                predictions=tuple((each.name, each.confidence) for each in ranked),
                predicted_by=f"v{suggested.version_number}" if suggested and ranked else "",
            )


def rows_of_ids(session: Session, image_ids: list[int]) -> Iterator[ExportRow]:
    """These images by ascending id, with their metadata, without predictions."""
    metadata = metadata_of_images(session, image_ids)
    for row in _named(session, image_ids):
        yield _export_row(row, metadata=metadata.get(row.id, {}))


def _page(session: Session, project_id: int, chosen: ImageFilter, after: int, limit: int) -> list[Row[Any]]:
    ids = chosen.apply(select(Image.id).where(Image.project_id == project_id, Image.id > after))
    return _named(session, list(session.scalars(ids.order_by(Image.id).limit(limit))))


def _named(session: Session, found: list[int]) -> list[Row[Any]]:
    sub_class = aliased(SubClass)
    arrived_as = (
        select(ImageSource.name)
        .where(ImageSource.image_id == Image.id)
        .order_by(ImageSource.id)
        .limit(1)
        .scalar_subquery()
    )
    columns = (Image.id, Image.sha256, Image.state, Image.quality, Image.is_small_subject, Image.rotation, Image.origin)
    kept = (Image.split, Image.labelled_at, Image.labelled_how, Image.label_version, Image.width, Image.height)
    named = (
        func.coalesce(arrived_as, Image.file_name).label("file"),
        LabelClass.name.label("class_name"),
        sub_class.name.label("sub_class"),
        CaptureGroup.key.label("group"),
        User.name.label("labelled_by"),
    )
    query = (
        select(*columns, *kept, Image.format, *named)
        .outerjoin(LabelClass, LabelClass.id == Image.class_id)
        .outerjoin(sub_class, sub_class.id == Image.sub_class_id)
        .outerjoin(CaptureGroup, CaptureGroup.id == Image.capture_group_id)
        .outerjoin(User, User.id == Image.labelled_by)
        .where(Image.id.in_(id_rows(session, found)))
        .order_by(Image.id)
    )
    return list(session.execute(query))


def _export_row(row: Row[Any], **more: Any) -> ExportRow:
    return ExportRow(
        image_id=row.id,
        path="",
        file=row.file,
        sha256=row.sha256,
        state=row.state,
        class_name=row.class_name or "",
        sub_class=row.sub_class or "",
        quality=row.quality or "",
        small_subject=row.is_small_subject,
        rotation=row.rotation,
        origin=row.origin,
        split=row.split or "",
        group=_group(row.group or ""),
        labelled_by=row.labelled_by or "",
        labelled_at=row.labelled_at.isoformat(timespec="seconds") if row.labelled_at else "",
        how=row.labelled_how or "",
        label_version=row.label_version,
        width=row.width or 0,
        height=row.height or 0,
        format=row.format or "",
        **more,
    )


def _group(key: str) -> str:
    """A group's name as an import gives it; one that we made by time is named after its first image."""
    return key.removeprefix(_GROUP_MARK) if key.startswith(_GROUP_MARK) else key.replace(":", " ")
