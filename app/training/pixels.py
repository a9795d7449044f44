"""Pixels of a snapshot's images at a network's input size, turned as the snapshot recorded it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from app.core.database import id_rows, read
from app.core.errors import NotFound
from app.core.storage import Place, get_storage
from app.datasets.schemas import Manifest
from app.imaging.errors import Undecodable
from app.imaging.model_input import to_pixels
from app.library.models import Image

Pixels = NDArray[np.uint8]
_CHUNK: Final = 256


class SnapshotPixels:
    """Reads renditions of a snapshot's images at `size`. Safe to use from several threads."""

    def __init__(self, manifest: Manifest, size: int) -> None:
        self._rotations = dict(zip(manifest.image_ids.tolist(), manifest.rotations.tolist(), strict=True))
        self._size = size

    def read(self, image_ids: Sequence[int]) -> Iterator[Pixels | None]:
        """For each id in order uint8 (S, S, 3), or None for an image that is no longer at hand."""
        # Decoding and resizing let go of the interpreter: threads keep every core busy, as processes would.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for start in range(0, len(image_ids), _CHUNK):
                chunk = list(image_ids[start : start + _CHUNK])
                places = _places(chunk)
                yield from threads.map(lambda image_id: self._decode(image_id, places.get(image_id)), chunk)  # noqa: B023 - mapped within the loop

    def _decode(self, image_id: int, place: Place | None) -> Pixels | None:
        if place is None:
            return None
        try:
            rendition = get_storage().get_rendition(place)
            return to_pixels(rendition, size=self._size, rotation=self._rotations[image_id])
        except (NotFound, Undecodable):
            return None


def _places(image_ids: list[int]) -> dict[int, Place]:
    with read() as session:
        rows = session.execute(
            select(Image.id, Image.rendition_pack, Image.rendition_offset, Image.rendition_length).where(
                Image.id.in_(id_rows(session, image_ids))
            )
        ).all()
    return {
        image_id: Place(pack, offset, length)
        for image_id, pack, offset, length in rows
        if pack is not None and offset is not None and length is not None
    }
