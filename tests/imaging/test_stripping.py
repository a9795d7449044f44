"""Metadata taken out of files: nothing of it is left, and every pixel is as it was."""

from __future__ import annotations

import io

import pytest
from PIL import Image, PngImagePlugin

from app.imaging.header import open_header, read_orientation
from app.imaging.limits import Limits
from app.imaging.stripping import STRIPPABLE, strip_metadata
from tests import photos

SECRET = b"48.8583 N secret"


def with_everything(file_format: str, orientation: int) -> bytes:
    """A photo with EXIF (place, comment, orientation), XMP and a comment, and bytes behind the picture."""
    picture = Image.open(io.BytesIO(photos.photo())).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    options: dict[str, object] = {"exif": exif, "xmp": b"<x>" + SECRET + b"</x>"}
    if file_format == "JPEG":
        options |= {"comment": SECRET, "icc_profile": b"profile" * 20, "progressive": True}
    if file_format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", SECRET.decode())
        info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        options = {"exif": exif, "pnginfo": info}
    content = photos.encode(picture, file_format, **options)
    return content + (SECRET if file_format != "WEBP" else b"")


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_nothing_is_left_but_the_pixels_and_which_way_is_up(file_format: str, orientation: int):
    content = with_everything(file_format, orientation)
    stripped = strip_metadata(content, file_format.lower())
    assert stripped is not None
    assert SECRET in content
    assert SECRET not in stripped
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(stripped)) as after:
        assert after.tobytes() == before.tobytes()
        assert dict(after.getexif()) == ({0x0112: orientation} if orientation > 1 else {})
        assert not after.getexif().get_ifd(0x8825)
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
    assert read_orientation(open_header(stripped, limits=Limits())) == orientation


def test_an_animation_stays_one():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    for file_format in ("PNG", "WEBP"):
        content = photos.encode(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)
        stripped = strip_metadata(content, file_format.lower())
        assert stripped is not None
        with Image.open(io.BytesIO(stripped)) as picture:
            assert picture.n_frames == 3


def test_cmyk_keeps_its_colours():
    content = photos.cmyk_jpeg()
    stripped = strip_metadata(content, "jpeg")
    assert stripped is not None
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(stripped)) as after:
        assert (after.mode, after.tobytes()) == (before.mode, before.tobytes())


@pytest.mark.parametrize("file_format", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_not_passed_off_as_stripped(file_format: str):
    assert file_format.lower() not in STRIPPABLE
    assert strip_metadata(photos.reencoded(file_format), file_format.lower()) is None


@pytest.mark.parametrize("file_format", sorted(STRIPPABLE))
def test_a_damaged_file_is_refused_not_passed_on(file_format: str):
    content = photos.reencoded(file_format.upper())
    for broken in (content[:40], content[: len(content) // 2], b"", b"\xff\xd8\xff\xff\xff", content[:2] + b"x" * 99):
        assert strip_metadata(broken, file_format) is None
