"""A preview of augmentation: the very code that training uses, on a few images of the project."""

from __future__ import annotations

import shutil

import numpy as np
from PIL import Image as Picture
from sqlalchemy import select

from app.core.database import id_rows, read, write
from app.core.errors import NotFound
from app.core.storage import Place, get_storage
from app.imaging.errors import Undecodable
from app.imaging.model_input import to_pixels
from app.imaging.renditions import THUMBNAIL_QUALITY, encode_jpeg
from app.library.models import Image
from app.training import previews
from app.training.fit_settings import Augmentation
from worker.execution import RunContext
from worker.learning.augment import NOT_FLIPPED, augment, draw
from worker.learning.backend import tf, to_numpy


def preview_augmentation(context: RunContext) -> None:
    """Draw the pictures of a preview: each image as it is, then changed in several ways."""
    request = previews.PreviewRequest.model_validate(
        {name: context.parameters[name] for name in previews.PreviewRequest.model_fields}
    )
    pixels, classes = _pixels(context.parameters["image_ids"])
    folder = previews.folder_of(context.run_id)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for done, (image_id, original) in enumerate(pixels.items()):
        context.progress(done, len(pixels), "Changing images")
        pictures = [original, *_changed(original, image_id, classes[image_id], request)]
        for number, picture in enumerate(pictures):
            encoded = encode_jpeg(Picture.fromarray(picture), quality=THUMBNAIL_QUALITY)
            previews.picture_path(context.run_id, image_id, number).write_bytes(encoded)
    previews.make_room()
    with write() as session:
        context.complete(session, previews.result_of(list(pixels)))


def _pixels(image_ids: list[int]) -> tuple[dict[int, np.ndarray], dict[int, int | None]]:
    """Pixels of the images that are still at hand, uint8 (S, S, 3), and their classes."""
    with read() as session:
        rows = session.execute(
            select(
                Image.id,
                Image.class_id,
                Image.rotation,
                Image.rendition_pack,
                Image.rendition_offset,
                Image.rendition_length,
            )
            .where(Image.id.in_(id_rows(session, image_ids)), Image.rendition_pack.is_not(None))
            .order_by(Image.id)
        ).all()
    pixels: dict[int, np.ndarray] = {}
    for row in rows:
        place = Place(row.rendition_pack or "", row.rendition_offset or 0, row.rendition_length or 0)
        try:
            rendition = get_storage().get_rendition(place)
            pixels[row.id] = to_pixels(rendition, size=previews.SIZE, rotation=row.rotation)
        except (NotFound, Undecodable):
            continue
    return pixels, {row.id: row.class_id for row in rows}


def _changed(
    original: np.ndarray, image_id: int, class_id: int | None, request: previews.PreviewRequest
) -> list[np.ndarray]:
    """The image as so many epochs would see it."""
    rows = [draw([image_id], seed=request.seed, epoch=epoch)[0] for epoch in range(1, previews.DRAWS + 1)]
    draws = np.stack(rows)
    changes: Augmentation = request.augmentation
    if class_id in changes.no_flip:
        draws[:, 0] = NOT_FLIPPED
    batch = tf.cast(np.repeat(original[None], len(draws), axis=0), tf.float32)
    changed = np.rint(to_numpy(augment(batch, tf.constant(draws), changes))).astype(np.uint8)
    return list(changed)
