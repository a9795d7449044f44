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
from worker.learning.mixing import draw_mixes, mix


def preview_augmentation(context: RunContext) -> None:
    """Draw the pictures of a preview: each image as it is, then changed in several ways."""
    request = previews.PreviewRequest.model_validate(
        {name: value for name, value in context.parameters.items() if name in previews.PreviewRequest.model_fields}
    )
    pixels = pixels_of(context.parameters["image_ids"], size=previews.SIZE)
    classes = _classes(list(pixels))
    folder = previews.folder_of(context.run_id)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    image_ids = list(pixels)
    for epoch in range(previews.DRAWS + 1):
        context.progress(epoch, previews.DRAWS + 1, "Changing images")
        originals = np.stack([pixels[image_id] for image_id in image_ids])
        pictures = _changed(originals, image_ids, classes, request, epoch) if epoch else originals
        for image_id, picture in zip(image_ids, pictures, strict=True):
            encoded = encode_jpeg(Picture.fromarray(picture), quality=THUMBNAIL_QUALITY)
            previews.picture_path(context.run_id, image_id, epoch).write_bytes(encoded)
    previews.make_room()
    with write() as session:
        context.complete(session, previews.result_of(list(pixels)))


def pixels_of(image_ids: list[int], *, size: int) -> dict[int, np.ndarray]:
    """Pixels of the images that are still at hand, uint8 (S, S, 3) with S = `size`, by ascending id."""
    with read() as session:
        rows = session.execute(
            select(
                Image.id,
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
            pixels[row.id] = to_pixels(rendition, size=size, rotation=row.rotation)
        except (NotFound, Undecodable):
            continue
    return pixels


def _classes(image_ids: list[int]) -> dict[int, int | None]:
    with read() as session:
        rows = session.execute(select(Image.id, Image.class_id).where(Image.id.in_(id_rows(session, image_ids))))
        return {row.id: row.class_id for row in rows}


def _changed(
    originals: np.ndarray,
    image_ids: list[int],
    classes: dict[int, int | None],
    request: previews.PreviewRequest,
    epoch: int,
) -> np.ndarray:
    """The images, uint8 (N, S, S, 3), as one epoch would see them in one batch."""
    changes: Augmentation = request.augmentation
    draws = draw(image_ids, seed=request.seed, epoch=epoch)
    draws[[classes[image_id] in changes.no_flip for image_id in image_ids], 0] = NOT_FLIPPED
    changed = augment(tf.cast(originals, tf.float32), tf.constant(draws), changes)
    if request.mixup or request.cutmix:
        mixes = draw_mixes(
            len(image_ids), mixup=request.mixup, cutmix=request.cutmix, seed=request.seed, epoch=epoch, step=0
        )
        changed, _ = mix(changed, tf.zeros((len(image_ids), 1)), tf.constant(mixes))
    pixels: np.ndarray = np.rint(to_numpy(changed)).astype(np.uint8)
    return pixels
