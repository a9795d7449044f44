"""Pictures over HTTP: renditions for pages, originals as attachments only.

What pages show was encoded by us. An original may be anything that somebody uploaded, so it is never shown: it leaves
as a download, under a name of ours and the type it was decoded as.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from threading import BoundedSemaphore
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path
from starlette.responses import FileResponse, Response

from app.core.database import read
from app.core.errors import NotFound, TooMany
from app.core.storage import get_storage
from app.core.texts import tr
from app.imaging.closely import large_copy
from app.imaging.errors import Undecodable
from app.imaging.renditions import MEDIA_TYPE, rotate_rendition
from app.library.models import Image
from app.library.preparing import size_limits
from app.library.renditions import Kind, rendition_bytes
from app.library.service import get_image
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/projects/{slug}/images/{image_id}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
ImageId = Annotated[int, Path(ge=1, le=2**62)]

_IMMUTABLE: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
_LARGE_AT_ONCE: Final = BoundedSemaphore(2)  # One of 60 megapixels takes 180 MB while it is made.
_WAIT_S: Final = 10
_SUFFIXES: Final = {
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "gif": ".gif",
    "bmp": ".bmp",
    "tiff": ".tif",
    "heif": ".heic",
    "avif": ".avif",
}


class Turn(IntEnum):
    """Clockwise degrees by which a picture is shown."""

    NONE = 0
    QUARTER = 90
    HALF = 180
    THREE_QUARTERS = 270


@router.get("/thumbnail")
def thumbnail(access: Viewer, image_id: ImageId, r: Turn = Turn.NONE) -> Response:
    """The grid's copy, turned by `r`; what this address gives never changes."""
    return _picture(access.project.id, image_id, "thumbnail", r)


@router.get("/rendition")
def rendition(access: Viewer, image_id: ImageId, r: Turn = Turn.NONE) -> Response:
    """The model rendition, turned by `r`; what this address gives never changes."""
    return _picture(access.project.id, image_id, "rendition", r)


def _picture(project_id: int, image_id: int, kind: Kind, turn: Turn) -> Response:
    with read() as session:
        picture = rendition_bytes(session, image_id, kind, project_id=project_id)
    return Response(rotate_rendition(picture, turn), media_type=MEDIA_TYPE, headers=_IMMUTABLE)


@router.get("/large")
def large(access: Viewer, image_id: ImageId, r: Turn = Turn.NONE) -> Response:
    """A copy of the original for looking closely, turned by `r`; encoded by us like all that pages show."""
    with read() as session:
        image = get_image(session, image_id, access.project.id)
    if image.rendition_pack is None:
        raise NotFound(tr("image %(id)s has no picture to show", id=image_id))
    if not _LARGE_AT_ONCE.acquire(timeout=_WAIT_S):
        raise TooMany(tr("too many large pictures are asked for at once; try again in a moment"))
    try:
        picture = rotate_rendition(large_copy(get_storage().get_blob(image.sha256), limits=size_limits()), r)
    except Undecodable as error:
        raise NotFound(error.message) from error
    finally:
        _LARGE_AT_ONCE.release()
    return Response(picture, media_type=MEDIA_TYPE, headers=_IMMUTABLE)


@router.get("/original")
def original(access: Viewer, image_id: ImageId) -> Response:
    """The bytes as they came, for download."""
    with read() as session:
        image = get_image(session, image_id, access.project.id)
    path = get_storage().blob_path(image.sha256)
    if not path.is_file():
        raise NotFound("the bytes of this image are not stored")
    media_type = f"image/{image.format}" if image.format in _SUFFIXES else "application/octet-stream"
    return FileResponse(
        path, media_type=media_type, filename=download_name(image), headers={"Cache-Control": "private"}
    )


def download_name(image: Image) -> str:
    """A file name for saving: of the name it came with only harmless characters, the suffix by its real format."""
    composed = unicodedata.normalize("NFC", image.file_name)
    plain = "".join(sign for sign in composed if not unicodedata.category(sign).startswith("C"))
    stem = re.sub(r'[\\/:*?"<>|;%]+', "_", plain).strip(". ")
    suffix = _SUFFIXES.get(image.format or "", ".bin")
    stem = stem.rsplit(".", 1)[0] if suffix != ".bin" and "." in stem else stem
    return f"{stem[:100] or f'image-{image.id}'}{suffix}"
