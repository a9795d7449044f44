"""Labels as rows and as CSV, read in chunks so that the size of the library does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.core.database import read
from app.core.spreadsheet import csv_text
from app.labelling.models import LabelClass, LabelEvent, SubClass
from app.library.models import Image, ImageSource

CHUNK = 2_000
COLUMNS = (
    *("file", "sha256", "state", "class", "sub_class", "origin", "split", "quality"),
    *("labelled_at", "how", "by"),
)


def export_rows(session: Session, project_id: int, *, chunk: int = CHUNK) -> Iterator[dict[str, str]]:
    """Every image of a project with its label, oldest first: COLUMNS to text, "" for what there is not.

    `file` is the name under which the image first arrived, folders included, as an import with a CSV file takes it.
    """
    last = 0
    while rows := _chunk(session, project_id, last, chunk):
        last = rows[-1][0]
        yield from (_as_text(row) for row in rows)


def csv_lines(project_id: int, *, chunk: int = CHUNK) -> Iterator[str]:
    """The same as CSV text, a piece for each chunk, with cells that no spreadsheet takes for a formula.

    Opens a short read session for each chunk: none is open while the reader is slow.
    """
    yield csv_text([COLUMNS])
    last = 0
    while True:
        with read() as session:
            rows = _chunk(session, project_id, last, chunk)
        if not rows:
            return
        last = rows[-1][0]
        yield csv_text(list(_as_text(row).values()) for row in rows)


def _chunk(session: Session, project_id: int, after: int, chunk: int) -> list[tuple[Any, ...]]:
    sub_class = aliased(SubClass)
    first_name = (
        select(ImageSource.name)
        .where(ImageSource.image_id == Image.id)
        .order_by(ImageSource.id)
        .limit(1)
        .scalar_subquery()
    )
    file = func.coalesce(first_name, Image.file_name)
    query = (
        select(
            *(Image.id, file, Image.sha256, Image.state, LabelClass.name, sub_class.name),
            *(Image.origin, Image.split, Image.quality, Image.labelled_at, LabelEvent.how, User.name),
        )
        .outerjoin(LabelClass, LabelClass.id == Image.class_id)
        .outerjoin(sub_class, sub_class.id == Image.sub_class_id)
        .outerjoin(LabelEvent, LabelEvent.id == Image.last_event_id)
        .outerjoin(User, User.id == LabelEvent.user_id)
        .where(Image.project_id == project_id, Image.id > after)
        .order_by(Image.id)
        .limit(chunk)
    )
    return [tuple(row) for row in session.execute(query)]


def _as_text(row: tuple[Any, ...]) -> dict[str, str]:
    *before, labelled_at, how, by = row[1:]
    at = labelled_at.isoformat(timespec="seconds") if labelled_at else ""
    return dict(zip(COLUMNS, (str(value or "") for value in (*before, at, how, by)), strict=True))
