"""A copy of an original that is large enough to look at closely: made when asked for, never kept."""

from app.imaging.decode import decode_rendition
from app.imaging.header import open_header
from app.imaging.limits import Limits, large_size
from app.imaging.renditions import encode_jpeg

LARGE_QUALITY = 88


def large_copy(image_bytes: bytes, *, limits: Limits) -> bytes:
    """A JPEG without metadata, oriented, long side at most 4,096 px. Raises `Undecodable`.

    Runs in the caller's process: only for bytes that a limited child has decoded before.
    """
    header = open_header(image_bytes, limits=limits)
    decoded = decode_rendition(image_bytes, header, size=large_size(header.width, header.height))
    return encode_jpeg(decoded.image, quality=LARGE_QUALITY)
