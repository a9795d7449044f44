"""Taking metadata out of a file without decoding it: every pixel stays as it was stored.

Camera, place, time, comments, thumbnails and whatever follows the picture go; what decoding needs stays (colour
profile, palette, animation), and so does the orientation, without which the picture would lie on its side.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from PIL import Image

STRIPPABLE: Final = frozenset({"jpeg", "png", "webp"})
_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = 1

_NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_FILL: Final = 0xFF
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8), _EOI})

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB bKGD hIST pHYs sPLT cICP mDCV cLLI acTL fcTL fdAT".split()
)
_WEBP_KEPT: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04


def strip_metadata(content: bytes, image_format: str) -> bytes | None:
    """The file without metadata; None where that cannot be done without encoding it again.

    `image_format` is the decoded one in lower case; only STRIPPABLE ones can be stripped.
    """
    try:
        if image_format == "jpeg":
            return b"".join(_jpeg(content, _orientation(content)))
        if image_format == "png":
            return b"".join(_png(content, _orientation(content)))
        if image_format == "webp":
            return _webp(content, _orientation(content))
    except (struct.error, IndexError, ValueError):
        return None
    return None


def _orientation(content: bytes) -> int:
    """EXIF orientation 1 to 8; 1 where there is none that makes sense."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            told = image.getexif().get(_ORIENTATION, _UPRIGHT)
    except (OSError, ValueError, SyntaxError, struct.error):
        return _UPRIGHT
    return told if isinstance(told, int) and told in range(2, 9) else _UPRIGHT


def _exif(orientation: int) -> bytes:
    """A TIFF header with one entry, the orientation."""
    return b"MM\x00*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def _jpeg(content: bytes, orientation: int) -> Iterator[bytes]:
    """ITU-T T.81, annex B: segments up to the end of the image; nothing behind it."""
    if content[:2] != bytes((0xFF, _SOI)):
        raise ValueError("no JPEG")
    yield content[:2]
    if orientation != _UPRIGHT:
        body = b"Exif\x00\x00" + _exif(orientation)
        yield struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
    for marker, start, end in _segments(content):
        if _is_kept(marker, content[start + 4 : start + 18]):
            yield content[start:end]


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) up to the end of the image; a scan's data belong to it."""
    at, marker = 2, _SOI
    while marker != _EOI:
        while content[at + 1] == _FILL:
            at += 1
        if content[at] != _FILL:
            raise ValueError("no marker where one must be")
        marker = content[at + 1]
        end = at + 2
        if marker not in _ALONE:
            end += struct.unpack_from(">H", content, at + 2)[0]
        if marker == _SOS:
            found = _NEXT_MARKER.search(content, end)
            if found is None:
                raise ValueError("the picture has no end")
            end = found.start()
        yield marker, at, end
        at = end


def _is_kept(marker: int, head: bytes) -> bool:
    if marker == _COM:
        return False
    if _APP0 <= marker <= _APP15:
        is_profile = marker == _APP2 and head.startswith(b"ICC_PROFILE\x00")
        is_adobe = marker == _APP14 and head.startswith(b"Adobe")
        return is_profile or is_adobe or (marker == _APP0 and head.startswith(b"JFIF\x00"))
    return True


def _png(content: bytes, orientation: int) -> Iterator[bytes]:
    """PNG (third edition) §5: chunks up to IEND, those that decoding needs."""
    if not content.startswith(_PNG):
        raise ValueError("no PNG")
    yield _PNG
    at, kind = len(_PNG), b""
    while kind != b"IEND":
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            raise ValueError("a chunk has no end")
        if kind in _PNG_KEPT:
            yield content[at:end]
        if kind == b"IHDR" and orientation != _UPRIGHT:
            body = b"eXIf" + _exif(orientation)
            yield struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        at = end


def _webp(content: bytes, orientation: int) -> bytes:
    """RFC 9649: RIFF chunks, those that decoding needs, and the flags that announce them."""
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise ValueError("no WebP")
    stop = min(len(content), 8 + struct.unpack_from("<I", content, 4)[0])
    at, kept, is_extended = 12, bytearray(), False
    while at + 8 <= stop:
        kind = content[at : at + 4]
        length = struct.unpack_from("<I", content, at + 4)[0]
        end = at + 8 + length + length % 2
        if at + 8 + length > len(content):
            raise ValueError("a chunk has no end")
        chunk = bytearray(content[at:end].ljust(end - at, b"\x00"))
        if kind == b"VP8X":
            is_extended = True
            chunk[8] &= ~(_WEBP_EXIF | _WEBP_XMP)
            chunk[8] |= _WEBP_EXIF if orientation != _UPRIGHT else 0
        if kind in _WEBP_KEPT:
            kept += chunk
        at = end
    if orientation != _UPRIGHT and is_extended:
        body = _exif(orientation)
        kept += b"EXIF" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(kept) + 4) + b"WEBP" + bytes(kept)
