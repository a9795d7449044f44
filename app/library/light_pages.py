"""The light table: one image at a time, in any list, with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from app.core.database import read
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.library import queries, stepping
from app.library.filters import ImageFilter
from app.library.media import ImageId
from app.library.metadata import metadata_of
from app.library.models import NOT_GOOD_REASONS, Image
from app.library.service import get_image
from app.library.words import Names, badges
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter()
Viewer = Annotated[Access, Depends(require("viewer"))]
Id = Annotated[int, Query(ge=1, le=2**62)]
Count = Annotated[int, Query(ge=1, le=stepping.MOST_FRAMES)]


@router.get("/images/{image_id}")
def image_page(request: Request, access: Viewer, image_id: ImageId) -> Response:
    """The light table, in the list that the address filters."""
    chosen = ImageFilter.from_query(request.query_params)
    with read() as session:
        image = get_image(session, image_id, access.project.id)
        context = _panel(session, access, image)
        names = context["names"]
        context["neighbours"] = queries.neighbours(session, access.project.id, chosen, image_id)
        context["frame"] = _frame(access.project.slug, image, names)
    context |= {"filter": chosen, "reasons": NOT_GOOD_REASONS}
    return render(request, "library/image.html", active="library", **context)


@router.get("/images/{image_id}/panel")
def panel(request: Request, access: Viewer, image_id: ImageId) -> Response:
    """A fragment: what is known of an image, for the side of the light table."""
    with read() as session:
        context = _panel(session, access, get_image(session, image_id, access.project.id))
    return render(request, "library/_panel.html", **context)


@router.get("/library/around")
def around(request: Request, access: Viewer, image: Id, count: Count = 20, place: bool = False) -> Response:
    """The images next to one in a filtered list, newest first; with `place`, where it stands and of how many."""
    chosen = ImageFilter.from_query(request.query_params)
    with read() as session:
        get_image(session, image, access.project.id)
        found = stepping.around(session, access.project.id, chosen, image, count=count)
        body = _frames(session, access, found.images)
        if place:
            total = queries.count(session, access.project.id, chosen)
            body |= {"place": stepping.position(session, access.project.id, chosen, image), "total": total.words}
    return JSONResponse(body | {"has_newer": found.has_newer, "has_older": found.has_older})


@router.get("/library/frames")
def frames(access: Viewer, ids: Annotated[str, Query(max_length=1500)]) -> Response:
    """Images by their ids, comma separated, in that order: for lists that no filter makes."""
    wanted = [int(word) for word in ids.split(",") if word.isascii() and word.isdigit() and len(word) < 19]  # noqa: PLR2004 - digits of an id
    if not 1 <= len(wanted) <= stepping.MOST_FRAMES:
        raise InvalidInput(tr("ids are 1 to %(most)s numbers with commas", most=stepping.MOST_FRAMES))
    with read() as session:
        found = stepping.images_by_id(session, access.project.id, wanted)
        return JSONResponse(_frames(session, access, found))


def _panel(session: Session, access: Access, image: Image) -> dict[str, Any]:
    return {
        "image": image,
        "names": Names.of(session, access.project.id),
        "sources": queries.sources_of(session, image.id),
        "duplicates": queries.duplicates_of(session, image),
        "conflicts": queries.open_conflicts_of(session, image.id),
        "metadata": metadata_of(session, image.id),
        "capture_group": queries.capture_group_name(session, image.capture_group_id),
        "badges": badges,
    }


def _frames(session: Session, access: Access, images: Sequence[Image]) -> dict[str, Any]:
    names = Names.of(session, access.project.id)
    return {"images": [_frame(access.project.slug, image, names) for image in images]}


def _frame(slug: str, image: Image, names: Names) -> dict[str, Any]:
    """An image as the light table's script takes it; width and height as it is shown."""
    size = (image.width, image.height)
    width, height = size[::-1] if image.rotation in (90, 270) else size
    return {
        "id": image.id,
        "name": image.file_name,
        "label": names.label(image),
        "class_id": image.class_id,
        "state": image.state,
        "quality": image.quality,
        "is_small": image.is_small_subject,
        "version": image.label_version,
        "turn": image.rotation,
        "width": width,
        "height": height,
        "address": f"/projects/{slug}/images/{image.id}",
        "has_picture": image.rendition_pack is not None,
    }
