"""Metadata columns: what imports say of an image beside its label (a site, a date), kept to be filtered by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.core.database import id_rows, insert_into
from app.library.models import ImageMetadata, MetadataColumn

MOST_COLUMNS: Final = 100
MOST_NAME: Final = 80
MOST_VALUE: Final = 500


def record_metadata(session: Session, project_id: int, values: Mapping[int, Mapping[str, str]]) -> None:
    """Keep what was said of images, by image id and column name; what arrives later replaces what stood there.

    A project has at most MOST_COLUMNS columns: what an import brings beyond them is left out.
    """
    tidy = {image_id: _tidy(said) for image_id, said in values.items()}
    column_ids = _columns(session, project_id, sorted({name for said in tidy.values() for name in said}))
    rows = [
        {"image_id": image_id, "column_id": column_ids[name], "value": value}
        for image_id, said in sorted(tidy.items())
        for name, value in sorted(said.items())
        if name in column_ids
    ]
    if not rows:
        return
    statement = insert_into(session, ImageMetadata)
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["image_id", "column_id"], set_={"value": statement.excluded["value"]}
        ),
        sorted(rows, key=lambda row: (row["image_id"], row["column_id"])),
    )


def _tidy(said: Mapping[str, str]) -> dict[str, str]:
    words = {" ".join(name.split())[:MOST_NAME]: " ".join(value.split())[:MOST_VALUE] for name, value in said.items()}
    return {name: value for name, value in words.items() if name and value}


def _columns(session: Session, project_id: int, names: list[str]) -> dict[str, int]:
    if not names:
        return {}
    known = {name: column_id for column_id, name in metadata_columns(session, project_id).items()}
    new = [name for name in names if name not in known][: max(0, MOST_COLUMNS - len(known))]
    if new:
        rows = [{"project_id": project_id, "name": name} for name in new]
        made = session.execute(insert(MetadataColumn).returning(MetadataColumn.id, MetadataColumn.name), rows)
        known |= {name: column_id for column_id, name in made}
    return known


def metadata_columns(session: Session, project_id: int) -> dict[int, str]:
    """Name of each metadata column of the project, by id, in the order of names."""
    query = select(MetadataColumn.id, MetadataColumn.name).where(MetadataColumn.project_id == project_id)
    return dict(session.execute(query.order_by(MetadataColumn.name)).all())


def metadata_of(session: Session, image_id: int) -> dict[str, str]:
    """What is said of one image, by the name of the column."""
    query = (
        select(MetadataColumn.name, ImageMetadata.value)
        .join(ImageMetadata, ImageMetadata.column_id == MetadataColumn.id)
        .where(ImageMetadata.image_id == image_id)
    )
    return dict(session.execute(query.order_by(MetadataColumn.name)).all())


def metadata_of_images(session: Session, image_ids: list[int]) -> dict[int, dict[str, str]]:
    """What is said of many images, by image id and the name of the column; images without any are left out."""
    query = (
        select(ImageMetadata.image_id, MetadataColumn.name, ImageMetadata.value)
        .join(MetadataColumn, MetadataColumn.id == ImageMetadata.column_id)
        .where(ImageMetadata.image_id.in_(id_rows(session, image_ids)))
    )
    found: dict[int, dict[str, str]] = {}
    for image_id, name, value in session.execute(query):
        found.setdefault(image_id, {})[name] = value
    return found


def metadata_values(session: Session, column_id: int, *, most: int = 50) -> list[str]:
    """The first values of a column in their order: each is one step in the index, however many images share it."""
    values: list[str] = []
    while len(values) < most:
        query = select(func.min(ImageMetadata.value)).where(ImageMetadata.column_id == column_id)
        value = session.scalar(query.where(ImageMetadata.value > values[-1]) if values else query)
        if value is None:
            break
        values.append(value)
    return values
