"""Read what a file says of itself, and refuse it before any pixel is decoded where the rules say so."""

import io
import re
import struct
import warnings
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np

# Imported for their registration: Pillow looks formats up in its registry, and these two load late otherwise.
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from app.imaging.errors import Reason, Undecodable
from app.imaging.limits import MAX_JPEG_SCANS, Limits

FORMATS = (
    "JPEG",
    "PNG",
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    "GIF",
    "BMP",
)

# Pillow's own cap is one number for the whole process and warns before it refuses: `Limits.max_pixels` instead.
Image.MAX_IMAGE_PIXELS = None

# Pillow warns of damaged metadata, which refuses nothing here and would fill the log. Set once for the process:
# switching warnings off and on around each call is not safe among threads.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# What Pillow's parsers raise on damaged files.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    struct.error,
)

_ORIENTATIONS = range(1, 9)
SIDEWAYS = range(5, 9)
_ORIENTATION, _MAKE, _MODEL, _EXIF_IFD, _CAPTURED = 0x0112, 0x010F, 0x0110, 0x8769, 0x9003
_TILE_WIDTH, _TILE_HEIGHT = 0x0142, 0x0143
_SCAN = np.uint16(0xDAFF)
_OURS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_FOREIGN = {
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "ICO",
    b"PK\3\4": "zip",
    b"\0\0\0\x0cjP": "JPEG 2000",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What is known before decoding. `width` and `height` are as stored, before EXIF orientation (for TIFF: after)."""

    image: Image.Image
    format: str
    width: int
    height: int


def open_header(image_bytes: bytes, *, limits: Limits) -> Header:
    """Check size, format and pixel count of a file. Raises `Undecodable`."""
    if not image_bytes:
        raise Undecodable(Reason.EMPTY, "An image file has at least one byte; this one is empty.")
    if len(image_bytes) > limits.max_bytes:
        rule = f"An image file may have at most {limits.max_bytes:,} bytes"
        raise Undecodable(Reason.TOO_MANY_BYTES, f"{rule}; this one has {len(image_bytes):,}.")
    try:
        formats = _with_film_codecs() if limits.film_codecs and image_bytes[4:8] == b"ftyp" else FORMATS
        image = Image.open(io.BytesIO(image_bytes), formats=formats)
        tile = _tile_size(image)
    except UnidentifiedImageError:
        raise _unidentified(image_bytes, limits) from None
    except DAMAGE as error:
        raise damaged(error) from error
    width, height = image.size
    for across, down in (image.size, tile):
        if across * down > limits.max_pixels:
            rule = f"An image may have at most {limits.max_pixels:,} pixels"
            raise Undecodable(Reason.TOO_MANY_PIXELS, f"{rule}; this one says {across:,} x {down:,}.")
    if width * height < 1:
        raise Undecodable(Reason.CORRUPT, f"An image has at least one pixel; this one says {width} x {height}.")
    # Phones write several pictures into one JPEG (MPO); the first is the photo.
    name = "jpeg" if image.format in ("JPEG", "MPO") else str(image.format).lower()
    if name == "jpeg" and (scans := _count_scans(image_bytes)) > MAX_JPEG_SCANS:
        raise Undecodable(Reason.CORRUPT, f"A JPEG may have at most {MAX_JPEG_SCANS} scans; this one has {scans}.")
    return Header(image, name, width, height)


@lru_cache(maxsize=1)
def _with_film_codecs() -> tuple[str, ...]:
    """All formats with AVIF and HEIC, whose plugins are loaded now; they keep to one thread."""
    import pi_heif
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return (*FORMATS, AvifImagePlugin.AvifImageFile.format, "HEIF")


def _count_scans(image_bytes: bytes) -> int:
    """Scan headers in a JPEG, or a few more where metadata holds their two bytes: pairs at even, then at odd places.

    Four times as fast as `bytes.count`, which stops at each of the many FF bytes.
    """
    last = len(image_bytes) - 1
    pairs = (np.frombuffer(image_bytes, "<u2", (last + 1 - start) // 2, start) for start in (0, 1))
    return sum(int(np.count_nonzero(pair == _SCAN)) for pair in pairs)


def _tile_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of a TIFF's tiles, for which memory is taken however small the image is; else 0, 0."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 0, 0
    given = (image.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    width, height = (max(size) if isinstance(size, tuple) else int(size) for size in given)
    return width, height


def damaged(error: BaseException) -> Undecodable:
    """The refusal that a decoder's error amounts to."""
    said = str(error).strip() or type(error).__name__
    is_short = isinstance(error, EOFError) or "truncated" in said.lower() or "premature end" in said.lower()
    if is_short:
        return Undecodable(Reason.TRUNCATED, f"An image file must be whole; this one ends early ({said}).")
    return Undecodable(Reason.CORRUPT, f"An image file must decode without errors; the decoder said: {said}.")


def read_orientation(header: Header) -> int:
    """EXIF orientation 1 to 8 to apply to decoded pixels; 1 where there is none or it makes no sense.

    To be read after decoding: for PNG, Pillow loads the pixels to find it. TIFF it turns by itself.
    """
    if header.format == "tiff":
        return 1
    try:
        orientation = header.image.getexif().get(_ORIENTATION, 1)
    except DAMAGE:
        return 1
    return orientation if isinstance(orientation, int) and orientation in _ORIENTATIONS else 1


def read_captured_at(image: Image.Image) -> str | None:
    """The camera's own clock at the shot, `YYYY-MM-DDTHH:MM:SS`, without a zone: EXIF rarely has one."""
    try:
        stamp = image.getexif().get_ifd(_EXIF_IFD).get(_CAPTURED)
        date, _, clock = str(stamp or "").strip("\0 ").partition(" ")
        return datetime.fromisoformat(f"{date.replace(':', '-')}T{clock}").isoformat(timespec="seconds")
    except DAMAGE:
        return None


def read_camera(image: Image.Image) -> str | None:
    """Make and model from EXIF as one printable line of at most 100 characters."""
    try:
        make, model = (str(image.getexif().get(tag, "")) for tag in (_MAKE, _MODEL))
    except DAMAGE:
        return None
    make, model = (re.sub(r"[^\x21-\x7e]+", " ", text).strip() for text in (make, model))
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
    return camera[:100] or None


def read_frames(image: Image.Image) -> int:
    """How many frames or pages the file holds; those read so far where the file breaks off."""
    try:
        return int(getattr(image, "n_frames", 1))
    except DAMAGE:
        return 1


def _unidentified(image_bytes: bytes, limits: Limits) -> Undecodable:
    more = ", HEIC and AVIF" if limits.film_codecs else ""
    rule = f"Winnow reads JPEG, PNG, WebP, GIF, BMP{',' if more else ' and'} TIFF{more}"
    start = image_bytes[:512].lstrip()
    for magic, name in _OURS.items():
        if image_bytes.startswith(magic):
            return Undecodable(Reason.CORRUPT, f"An image file needs a whole header; this {name} has none.")
    if image_bytes[:4] == b"RIFF" and image_bytes[8:12] == b"WEBP":
        return Undecodable(Reason.CORRUPT, "An image file needs a whole header; this WebP has none.")
    if image_bytes[4:8] == b"ftyp":
        brand = image_bytes[8:12].decode("ascii", "replace")
        what = "HEIC, AVIF or video" if not limits.film_codecs else "a damaged one of the last two, or video"
        return Undecodable(Reason.UNSUPPORTED_FORMAT, f"{rule}; this is {what} ({brand}).")
    for magic, name in _FOREIGN.items():
        if image_bytes.startswith(magic):
            return Undecodable(Reason.UNSUPPORTED_FORMAT, f"{rule}; this is a {name} file.")
    if re.search(rb"<(svg|html|!doctype|\?xml)", start, re.IGNORECASE):
        return Undecodable(Reason.NOT_AN_IMAGE, f"{rule}; this is markup (SVG, HTML or XML).")
    return Undecodable(Reason.NOT_AN_IMAGE, f"{rule}, told by content, not by name; this is none of them.")
