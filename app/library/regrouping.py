"""Capture groups for images that are in the library already: by the folder they came from, or by a metadata column.

An image that is in a group, such as a burst, brings that whole group along. Where images of two sides of the split
prove to belong together, those that measured are retired as leaked; nothing changes sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from app.core.database import id_rows, read, write
from app.core.errors import NotFound
from app.core.texts import tr
from app.library.grouping import absorb, lock_grouping, retire_leaked
from app.library.models import CaptureGroup, Image, ImageMetadata, ImageSource, MetadataColumn
from app.runs.context import RunContext

KIND: Final = "library.capture"
_PAGE: Final = 1000
Named = dict[str, list[int]]


class CaptureRequest(BaseModel):
    """By what images belong together: the first `levels` folders of their names, or the values of a column."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    by: Literal["folders", "column"]
    levels: Annotated[int, Field(ge=1, le=9)] = 1
    column_id: Annotated[int, Field(ge=1, le=2**62)] | None = None


def group_captures(context: RunContext) -> None:
    """The run kind `library.capture`. Repeating it changes nothing. Raises NotFound for a column that is not there."""
    request = CaptureRequest.model_validate(context.parameters)
    pages = _by_folder(context.project_id, request.levels)
    if request.by == "column":
        pages = _by_column(context.project_id, request.column_id or 0)
    images = retired = 0
    names: set[str] = set()
    for page in pages:
        with write() as session:
            lock_grouping(session, context.project_id)
            retired += sum(_join_named(session, context.project_id, name, ids) for name, ids in sorted(page.items()))
        names |= page.keys()
        images += sum(map(len, page.values()))
        context.progress(images, 0, "Grouping")
    with write() as session:
        context.complete(session, {"images": images, "groups": len(names), "retired": retired})


def _by_folder(project_id: int, levels: int) -> Iterator[Named]:
    """Images by the folder of the first name that each arrived under, page by page."""
    last = 0
    while True:
        with read() as session:
            rows = session.execute(
                select(ImageSource.id, ImageSource.image_id, ImageSource.name)
                .join(Image, Image.id == ImageSource.image_id)
                .where(Image.project_id == project_id, ImageSource.id > last)
                .order_by(ImageSource.id)
                .limit(_PAGE)
            ).all()
        if not rows:
            return
        last = rows[-1][0]
        page: Named = {}
        for _, image_id, name in rows:
            if folders := name.split("/")[:-1]:
                page.setdefault("/".join(folders[:levels]), []).append(image_id)
        yield page


def _by_column(project_id: int, column_id: int) -> Iterator[Named]:
    """Images by what a metadata column says of them, page by page."""
    with read() as session:
        column = session.get(MetadataColumn, column_id)
    if column is None or column.project_id != project_id:
        raise NotFound(tr("no metadata column %(id)s in this project", id=column_id))
    last = 0
    while True:
        with read() as session:
            rows = session.execute(
                select(ImageMetadata.image_id, ImageMetadata.value)
                .where(ImageMetadata.column_id == column_id, ImageMetadata.image_id > last)
                .order_by(ImageMetadata.image_id)
                .limit(_PAGE)
            ).all()
        if not rows:
            return
        last = rows[-1][0]
        page: Named = {}
        for image_id, value in rows:
            page.setdefault(value, []).append(image_id)
        yield page


def _join_named(session: Session, project_id: int, name: str, image_ids: list[int]) -> int:
    """Put images and the groups they are in into the group of this name; returns how many measure no more."""
    key = f"group:{name}"
    query = select(CaptureGroup.id).where(CaptureGroup.project_id == project_id, CaptureGroup.key == key)
    kept = session.scalar(query)
    if kept is None:
        made = insert(CaptureGroup).values(project_id=project_id, key=key).returning(CaptureGroup.id)
        kept = session.scalars(made).one()
    own = Image.id.in_(id_rows(session, image_ids))
    present = select(Image.capture_group_id).where(own, Image.capture_group_id.is_not(None)).distinct()
    merged = [group for group in session.scalars(present) if group is not None and group != kept]
    plain = {"synchronize_session": False}
    session.execute(update(Image).where(own).values(capture_group_id=kept), execution_options=plain)
    absorb(session, column=Image.capture_group_id, table=CaptureGroup, kept=kept, merged=merged)
    leaked = select(func.count()).where(Image.capture_group_id == kept, Image.leaked)
    before = session.scalar(leaked) or 0
    retire_leaked(session, Image.capture_group_id, [kept])
    return (session.scalar(leaked) or 0) - before
