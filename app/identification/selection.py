"""The images of a selection, as a stream of ids in ascending order, looked up page by page in short sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from ulid import ULID

from app.core.database import id_rows, read
from app.core.storage import get_storage, written_beside
from app.identification.schemas import Selection
from app.library.models import Image, ImageState
from app.library.selection import filter_of

PAGE = 4096
_FOLDER = "selections"
_NEVER = (ImageState.REMOVED, ImageState.QUARANTINED)


def store_ids(image_ids: Sequence[int]) -> Selection:
    """Keep a list of ids in a file of ours, so that a run can be asked to identify them however many they are."""
    name = f"{ULID()}.ids"
    with written_beside(get_storage().file_path(_FOLDER, name)) as file:
        file.write("\n".join(str(image_id) for image_id in sorted(set(image_ids))).encode())
    return Selection(kind="ids", file=name)


def forget_ids(selection: Selection) -> None:
    """Remove the file of a list of ids, once its run has succeeded and will not be resumed."""
    if selection.kind == "ids":
        get_storage().file_path(_FOLDER, selection.file).unlink(missing_ok=True)


def stored_list(selection: Selection) -> list[int]:
    """The ids of a stored list, ascending."""
    text = get_storage().file_path(_FOLDER, selection.file).read_text("ascii")
    return [int(line) for line in text.split()]


def selected_images(selection: Selection, project_id: int) -> Select[int]:
    """The ids of a selection other than a stored list, in no order."""
    query = select(Image.id).where(Image.project_id == project_id, Image.state.not_in(_NEVER))
    if selection.kind == "pool":
        return query.where(Image.state == ImageState.POOL)
    if selection.kind == "unknown":
        return query.where(Image.state == ImageState.UNKNOWN)
    if selection.kind == "open":
        return query.where(Image.state.in_((ImageState.POOL, ImageState.UNKNOWN)))
    return filter_of(selection.query).apply(query)


def selected_ids(selection: Selection, project_id: int) -> Iterator[int]:
    """The ids, ascending. Each page is looked up when it is due, so that what was labelled meanwhile is left out."""
    if selection.kind == "ids":
        yield from _listed_ids(stored_list(selection), project_id)
        return
    last = 0
    while True:
        query = selected_images(selection, project_id).where(Image.id > last).order_by(Image.id).limit(PAGE)
        with read() as session:
            page = session.scalars(query).all()
        if not page:
            return
        yield from page
        last = page[-1]


def _listed_ids(image_ids: list[int], project_id: int) -> Iterator[int]:
    for start in range(0, len(image_ids), PAGE):
        with read() as session:
            page = session.scalars(
                select(Image.id)
                .where(
                    Image.project_id == project_id,
                    Image.state.not_in(_NEVER),
                    Image.id.in_(id_rows(session, image_ids[start : start + PAGE])),
                )
                .order_by(Image.id)
            ).all()
        yield from page


def selection_size(session: Session, selection: Selection, project_id: int) -> int:
    """How many images the selection has now."""
    if selection.kind == "ids":
        return len(stored_list(selection))
    query = select(func.count()).select_from(selected_images(selection, project_id).subquery())
    return session.scalar(query) or 0
