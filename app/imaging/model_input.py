"""The one preprocessing that training, identification and serving share, named by its version.

Embeddings, shards and model versions carry `PREPROCESSING_VERSION`: any change of the pixels below needs a
new name.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imaging.decode import decode_rendition
from app.imaging.header import open_header
from app.imaging.limits import Limits

PREPROCESSING_VERSION: Final = "v1-centre-bilinear"
ROTATIONS: Final = (0, 90, 180, 270)


def to_pixels(rendition: bytes, *, size: int, rotation: int = 0) -> NDArray[np.uint8]:
    """A stored rendition as network input: uint8 RGB of shape (size, size, 3).

    The short side is resized to `size` (bilinear with antialiasing), the centre square is kept, and the
    square is turned clockwise by `rotation` degrees (0, 90, 180, 270). Raises `Undecodable`, and `ValueError`
    for bad arguments.
    """
    if rotation not in ROTATIONS:
        raise ValueError(f"A rotation is 0, 90, 180 or 270 degrees clockwise; got {rotation}.")
    pixels = from_upload(rendition, size=size, limits=Limits())
    return np.ascontiguousarray(np.rot90(pixels, -(rotation // 90))) if rotation else pixels


def from_upload(image_bytes: bytes, *, size: int, limits: Limits | None = None) -> NDArray[np.uint8]:
    """A file as it was sent, as network input: uint8 RGB of shape (size, size, 3), EXIF orientation applied.

    It passes through the same rendition pixels as an imported image; what differs from `to_pixels` on the
    stored rendition is only the rendition's JPEG encoding (a mean of about one grey level of 255). Raises
    `Undecodable`.
    """
    if size < 1:
        raise ValueError(f"The input size is at least 1 pixel; got {size}.")
    header = open_header(image_bytes, limits=limits or Limits())
    return _centre_square(decode_rendition(image_bytes, header).image, size)


def _centre_square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    square = image.resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side), reducing_gap=2.0
    )
    return np.array(square, dtype=np.uint8)
