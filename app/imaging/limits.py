"""What is asked of a file before its pixels are touched, and how large the copies made of it are."""

from dataclasses import dataclass

MAX_JPEG_SCANS = 100
RENDITION_SHORT_SIDE = 320
RENDITION_LONGEST_ASPECT = 8
THUMBNAIL_LONG_SIDE = 320
LARGE_LONG_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one file."""

    max_bytes: int = 64 * 1024 * 1024
    """Of the encoded file."""
    max_pixels: int = 60_000_000
    """Width times height, as the header states them."""
    film_codecs: bool = False
    """Whether HEIC and AVIF are read: their decoders are those of films, large and often mended, so they run only where
    memory and time are limited (a decoding child sets this)."""


def rendition_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the model rendition: short side up to 320, long side up to 2,560, never upscaled."""
    short, long = min(width, height), max(width, height)
    scale = min(1.0, RENDITION_SHORT_SIDE / short, RENDITION_SHORT_SIDE * RENDITION_LONGEST_ASPECT / long)
    return max(1, round(width * scale)), max(1, round(height * scale))


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the thumbnail: long side at most 320, never upscaled."""
    scale = min(1.0, THUMBNAIL_LONG_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def large_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the copy for looking closely: long side at most 4,096, never upscaled."""
    scale = min(1.0, LARGE_LONG_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
