"""Renditions as bytes and as pixels. They are not fsynced, so one that is gone is made again from the original."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from os import cpu_count
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.database import id_rows, read, write
from app.core.errors import NotFound
from app.core.logging import get_logger
from app.core.storage import PackWriter, Place, get_storage
from app.imaging.errors import Undecodable
from app.imaging.model_input import to_pixels
from app.imaging.processing import process
from app.library.models import Image
from app.library.preparing import size_limits
from app.library.schemas import Places

log = get_logger(__name__)
Kind = Literal["thumbnail", "rendition"]
_CHUNK: Final = 256
_JPEG: Final = b"\xff\xd8"


@dataclass(frozen=True, slots=True)
class Stored:
    """What is needed to find an image's renditions, or to make them again."""

    image_id: int
    sha256: str
    rotation: int
    places: Places


def find_stored(session: Session, image_ids: Sequence[int], project_id: int | None = None) -> dict[int, Stored]:
    """Where the renditions of images lie, by id; images that have none (quarantined, purged) are left out."""
    columns = (Image.id, Image.sha256, Image.rotation)
    thumbnail = (Image.thumbnail_pack, Image.thumbnail_offset, Image.thumbnail_length)
    rendition = (Image.rendition_pack, Image.rendition_offset, Image.rendition_length)
    query = select(*columns, *thumbnail, *rendition).where(
        Image.id.in_(id_rows(session, list(image_ids))), Image.rendition_pack.is_not(None)
    )
    if project_id is not None:
        query = query.where(Image.project_id == project_id)
    return {
        row[0]: Stored(row[0], row[1], row[2], Places(_place(*row[3:6]), _place(*row[6:9])))
        for row in session.execute(query)
    }


def _place(pack: str | None, offset: int | None, length: int | None) -> Place:
    return Place(pack or "", offset or 0, length or 0)


def rendition_bytes(
    session: Session, image_id: int, kind: Kind = "rendition", *, project_id: int | None = None
) -> bytes:
    """The JPEG of an image's model rendition or thumbnail, before any rotation. Raises NotFound where it has none."""
    stored = find_stored(session, [image_id], project_id).get(image_id)
    if stored is None:
        raise NotFound(f"image {image_id} has no picture to show")
    return stored_bytes(stored, kind)


def read_pixels(image_ids: Sequence[int], size: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Network input (size, size, 3) of images in the order given; those without a picture are left out.

    Rotation is applied. Places are fetched by one short read per 256 images; nothing is open while the caller works.
    """
    decode = partial(_pixels_of, size=size)
    with ThreadPoolExecutor(min(4, cpu_count() or 1), thread_name_prefix="pixels") as threads:
        for start in range(0, len(image_ids), _CHUNK):
            chunk = image_ids[start : start + _CHUNK]
            with read() as session:
                stored = find_stored(session, chunk)
            present = [stored[image_id] for image_id in chunk if image_id in stored]
            for one, pixels in zip(present, threads.map(decode, present), strict=True):
                if pixels is not None:
                    yield one.image_id, pixels


def _pixels_of(stored: Stored, *, size: int) -> NDArray[np.uint8] | None:
    try:
        return to_pixels(stored_bytes(stored, "rendition"), size=size, rotation=stored.rotation)
    except (NotFound, Undecodable) as error:
        log.warning("image has no usable rendition and no original", image_id=stored.image_id, reason=error.message)
        return None


def stored_bytes(stored: Stored, kind: Kind) -> bytes:
    """The JPEG before any rotation, made again from the original where it is lost. Raises NotFound without either."""
    try:
        found = get_storage().get_rendition(getattr(stored.places, kind))
    except NotFound:
        found = b""
    return found if found.startswith(_JPEG) else remake(stored.image_id, stored.sha256, kind)


def remake(image_id: int, sha256: str, kind: Kind) -> bytes:
    """Make both renditions again from the original and note their new places. Raises NotFound without an original."""
    storage = get_storage()
    # In this very process: the same bytes were decoded in a limited child when they were taken in.
    picture = process(storage.get_blob(sha256), limits=size_limits())
    log.warning("a rendition was lost and has been made again", image_id=image_id)
    with closing(PackWriter(storage)) as packs:
        places = Places(packs.append(picture.thumbnail), packs.append(picture.rendition))
    with write() as session:
        session.execute(update(Image).where(Image.id == image_id).values(**places.columns()))
    return picture.thumbnail if kind == "thumbnail" else picture.rendition
