"""What one file gives: sizes, orientation, metadata, copies."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from app.imaging.header import FORMATS
from app.imaging.processing import Processed, process
from tests.photos import cmyk_jpeg, encode, photo, photos, reencoded, with_exif


def pixels(image_bytes: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image_bytes)).convert("RGB"), dtype=np.float32)


def corner(processed: Processed) -> list[int]:
    return [round(value) for value in pixels(processed.rendition)[2, 2]]


def test_a_photo_gives_its_size_and_both_copies():
    processed = process(photo())
    assert (processed.format, processed.width, processed.height, processed.frames) == ("jpeg", 348, 348, 1)
    assert (processed.rendition_width, processed.rendition_height, processed.aspect) == (320, 320, 1.0)
    for copy in (processed.rendition, processed.thumbnail):
        opened = Image.open(io.BytesIO(copy))
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (320, 320))
    assert 0 < processed.brightness < 1
    assert 0 < processed.contrast < 0.5
    assert processed.sharpness > 1


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_gives_the_same_picture(file_format: str):
    processed = process(reencoded(file_format, quality=95))
    assert processed.format == file_format.lower()
    allowed = 8 if file_format == "GIF" else 3
    assert np.abs(pixels(processed.rendition) - pixels(process(photo()).rendition)).mean() < allowed


def test_a_cmyk_jpeg_keeps_its_colours():
    processed = process(cmyk_jpeg())
    assert np.abs(pixels(processed.rendition) - pixels(process(photo()).rendition)).mean() < 4


def test_grey_and_sixteen_bit_grey_look_alike():
    grey = photos(1)[0].image.convert("L")
    deep = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257)
    plain = process(encode(grey))
    for file_format in ("PNG", "TIFF"):
        assert process(encode(deep, file_format)).brightness == pytest.approx(plain.brightness, abs=0.005)
    unit = Image.fromarray(np.asarray(grey, dtype=np.float32) / 255)
    assert process(encode(unit, "TIFF")).brightness == pytest.approx(plain.brightness, abs=0.005)


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (400, 400), (255, 0, 0, 0))
    assert corner(process(encode(clear))) == [255, 255, 255]
    assert corner(process(encode(clear, "WEBP", lossless=True))) == [255, 255, 255]
    palette = Image.new("P", (64, 64), 0)
    assert corner(process(encode(palette, "PNG", transparency=0))) == [255, 255, 255]


def test_an_animation_gives_its_first_frame():
    red, blue = Image.new("RGB", (50, 40), "red"), Image.new("RGB", (50, 40), "blue")
    processed = process(encode(red, "GIF", save_all=True, append_images=[blue]))
    assert processed.frames == 2
    assert corner(processed)[0] > 240


def test_the_several_pictures_of_a_phone_jpeg_count_as_one_jpeg():
    first, second = photos(2)
    processed = process(encode(first.image, "MPO", save_all=True, append_images=[second.image]))
    assert (processed.format, processed.frames) == ("jpeg", 2)
    assert np.abs(pixels(processed.rendition) - pixels(process(first.image_bytes).rendition)).mean() < 12


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied(file_format: str, orientation: int):
    upright = Image.new("RGB", (80, 40), "white")
    upright.paste((255, 0, 0), (0, 0, 40, 20))
    as_stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(as_stored[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    processed = process(encode(stored, file_format, exif=exif, quality=95))
    assert (processed.width, processed.height) == (80, 40)
    shown = pixels(processed.rendition)
    assert shown.shape == (40, 80, 3)
    assert shown[10, 20, 1] < 60
    assert min(shown[30, 20, 1], shown[10, 60, 1], shown[30, 60, 1]) > 200


def test_capture_time_and_camera_are_read_and_never_passed_on():
    image_bytes = with_exif(6, captured_at="2024:05:01 12:30:59", camera=("Apple", "Apple iPhone\x00 12\n"))
    processed = process(image_bytes)
    assert processed.exif_orientation == 6
    assert processed.captured_at == "2024-05-01T12:30:59"
    assert processed.camera == "Apple iPhone 12"
    for copy in (processed.rendition, processed.thumbnail):
        assert b"Exif" not in copy
        assert b"iPhone" not in copy


@pytest.mark.parametrize("stamp", ["0000:00:00 00:00:00", "yesterday", "    :  :     :  :  ", "2024:13:01 00:00:00"])
def test_a_capture_time_that_makes_no_sense_is_none(stamp: str):
    assert process(with_exif(captured_at=stamp)).captured_at is None


def test_damaged_metadata_does_not_refuse_the_picture():
    image_bytes = with_exif(captured_at="2024:05:01 12:30:59", camera=("A", "B"))
    start = image_bytes.index(b"Exif") + 14
    damaged = image_bytes[:start] + b"\xff" * 40 + image_bytes[start + 40 :]
    assert process(damaged).width == 348


def test_large_photos_shrink_and_small_ones_never_grow():
    large = process(encode(Image.new("RGB", (4000, 3000), "green"), "JPEG"))
    assert (large.width, large.height, large.rendition_width, large.rendition_height) == (4000, 3000, 427, 320)
    assert Image.open(io.BytesIO(large.thumbnail)).size == (320, 240)
    small = process(encode(Image.new("RGB", (40, 30), "green")))
    assert (small.rendition_width, small.rendition_height) == (40, 30)
    assert process(encode(Image.new("RGB", (1, 1)))).sharpness == 0


def test_a_long_strip_has_a_bounded_rendition():
    strip = process(encode(Image.new("RGB", (60_000, 400), "green"), "PNG"))
    assert (strip.rendition_width, strip.rendition_height) == (2560, 17)


def test_a_colour_profile_is_converted_to_srgb():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    plain = process(reencoded("PNG"))
    assert process(reencoded("PNG", icc_profile=lab.tobytes())).rendition == plain.rendition
    assert process(reencoded("PNG", icc_profile=b"no profile at all")).rendition == plain.rendition


def test_sharpness_tells_a_blurred_copy_and_brightness_a_dark_one():
    original = photos(1)[0].image
    blurred = original.resize((40, 40)).resize(original.size)
    dark = original.point(lambda value: value // 4)
    plain = process(encode(original))
    assert process(encode(blurred)).sharpness < plain.sharpness / 4
    assert process(encode(dark)).brightness < plain.brightness / 3
