"""Encoding of the copies that pages and training read. They hold pixels only: no metadata of the original."""

import io

import numpy as np
import simplejpeg
from PIL import Image

from app.imaging.limits import thumbnail_size

# JPEG for both: at 320 px WebP took 10 (method 0) to 30 times (method 4) as long for 25 to 45% fewer bytes.
MEDIA_TYPE = "image/jpeg"
RENDITION_QUALITY = 90
THUMBNAIL_QUALITY = 80

_CLOCKWISE = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def encode_jpeg(image: Image.Image, *, quality: int) -> bytes:
    """A baseline JPEG (4:2:0) of an RGB image, without metadata."""
    pixels = np.ascontiguousarray(np.asarray(image))
    encoded: bytes = simplejpeg.encode_jpeg(pixels, quality, "RGB", "420")
    return encoded


def make_thumbnail(rendition: Image.Image) -> bytes:
    """The grid's copy of a rendition: long side at most 320 px."""
    size = thumbnail_size(*rendition.size)
    small = rendition if size == rendition.size else rendition.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return encode_jpeg(small, quality=THUMBNAIL_QUALITY)


def rotate_rendition(rendition: bytes, rotation: int) -> bytes:
    """A rendition or thumbnail turned clockwise by 90, 180 or 270 degrees; 0 gives it back as it is."""
    if rotation == 0:
        return rendition
    if rotation not in _CLOCKWISE:
        raise ValueError(f"A rotation is 0, 90, 180 or 270 degrees clockwise; got {rotation}.")
    with Image.open(io.BytesIO(rendition), formats=("JPEG",)) as image:
        turned = image.convert("RGB").transpose(_CLOCKWISE[rotation])
    return encode_jpeg(turned, quality=RENDITION_QUALITY)
