"""The one preprocessing that training, identification and serving share, named by its version.

Embeddings, shards and model versions carry `PREPROCESSING_VERSION`: any change of the pixels below needs a
new name.
"""

import struct
from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from app.imaging.decode import decode_rendition
from app.imaging.header import open_header
from app.imaging.limits import RENDITION_LONGEST_ASPECT, RENDITION_SHORT_SIDE, Limits, rendition_size

PREPROCESSING_VERSION: Final = "v1-centre-bilinear"
ROTATIONS: Final = (0, 90, 180, 270)
_START: Final = b"\xff\xd8\xff\xe0"
_TABLES: Final = b"\xff\xdb"
_FRAME: Final = b"\xff\xc0"
_FRAME_BYTES: Final = 10


def to_pixels(rendition: bytes, *, size: int, rotation: int = 0) -> NDArray[np.uint8]:
    """A stored rendition as network input: uint8 RGB of shape (size, size, 3).

    The short side is resized to `size` (bilinear with antialiasing), the centre square is kept, and the
    square is turned clockwise by `rotation` degrees (0, 90, 180, 270). Raises `Undecodable`, and `ValueError`
    for bad arguments.
    """
    if rotation not in ROTATIONS:
        raise ValueError(f"A rotation is 0, 90, 180 or 270 degrees clockwise; got {rotation}.")
    pixels = _from_our_jpeg(rendition, size) if size >= 1 else None
    if pixels is None:
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


def _from_our_jpeg(rendition: bytes, size: int) -> NDArray[np.uint8] | None:
    """What `from_upload` gives, without reading a header twice; None for anything but a rendition as we write them.

    Those are baseline JPEGs with JFIF's segment alone: no EXIF, no profile, no second picture, at most a few scans.
    """
    if not _is_plain_baseline(rendition):
        return None
    try:
        pixels = simplejpeg.decode_jpeg(rendition, "RGB", strict=True)
    except ValueError:
        return None
    height, width = pixels.shape[:2]
    if rendition_size(width, height) != (width, height):
        return None
    return _centre_square(Image.fromarray(pixels), size)


def _is_plain_baseline(content: bytes) -> bool:
    """Whether the segments are SOI, APP0, any number of DQT, and SOF0 of 1 or 3 parts within a rendition's size."""
    at, limit = 4 + int.from_bytes(content[4:6], "big"), len(content) - _FRAME_BYTES
    if content[:4] != _START or content[6:11] != b"JFIF\0":
        return False
    while at < limit and content[at : at + 2] == _TABLES:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    if at >= limit or content[at : at + 2] != _FRAME:
        return False
    height, width, parts = struct.unpack_from(">HHB", content, at + 5)
    return parts in (1, 3) and 0 < width * height <= RENDITION_SHORT_SIDE**2 * RENDITION_LONGEST_ASPECT


def _centre_square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    square = image.resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side), reducing_gap=2.0
    )
    return np.array(square, dtype=np.uint8)
