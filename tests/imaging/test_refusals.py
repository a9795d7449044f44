"""Files that are refused, each with the reason that quarantine shows."""

import io
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from app.core.errors import InvalidInput
from app.imaging.errors import Reason, Undecodable
from app.imaging.limits import Limits
from app.imaging.processing import process
from tests.photos import disguised, encode, jpeg_bomb, photo, png_bomb, reencoded, truncated


def refusal(image_bytes: bytes, limits: Limits | None = None) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        process(image_bytes, limits=limits)
    return caught.value


def test_an_empty_file_is_refused():
    assert refusal(b"").reason_code == Reason.EMPTY


@pytest.mark.parametrize("name", disguised())
def test_a_file_that_only_bears_an_images_name_is_refused(name: str):
    expected = Reason.UNSUPPORTED_FORMAT if name == "report.jpeg" else Reason.NOT_AN_IMAGE
    assert refusal(disguised()[name]).reason_code == expected


def test_formats_of_phones_that_are_not_read_are_named():
    error = refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    assert error.reason_code == Reason.UNSUPPORTED_FORMAT
    assert "HEIC" in error.message


@pytest.mark.parametrize("file_format", ["PPM", "ICO", "TGA"])
def test_formats_off_the_list_are_refused_though_the_decoder_knows_them(file_format: str):
    image_bytes = encode(Image.new("RGB", (32, 32)), file_format)
    assert refusal(image_bytes).reason_code in (Reason.UNSUPPORTED_FORMAT, Reason.NOT_AN_IMAGE)


@pytest.mark.parametrize("keep", [0.002, 0.01, 0.3, 0.6, 0.95, 0.9999])
def test_a_truncated_jpeg_is_refused(keep: float):
    assert refusal(truncated(keep=keep)).reason_code in (Reason.TRUNCATED, Reason.CORRUPT)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("keep", [0.01, 0.5, 0.9])
def test_truncated_files_of_other_formats_are_refused(file_format: str, keep: float):
    image_bytes = truncated(reencoded(file_format), keep=keep)
    assert refusal(image_bytes).reason_code in (Reason.TRUNCATED, Reason.CORRUPT)


def test_a_jpeg_with_lost_data_is_refused_and_one_with_stray_bytes_is_not():
    whole = photo()
    middle = len(whole) // 2
    assert refusal(whole[:middle] + b"\xff\xd9" + whole[middle + 2 :]).reason_code in (
        Reason.CORRUPT,
        Reason.TRUNCATED,
    )
    assert process(whole[:-2] + b"\x11\x22" + whole[-2:]).width == 348
    assert process(whole + b"camera notes").width == 348


def test_too_many_bytes_are_refused_unread():
    assert refusal(photo(), Limits(max_bytes=1000)).reason_code == Reason.TOO_MANY_BYTES


@pytest.mark.parametrize("bomb", [png_bomb(), jpeg_bomb(), png_bomb(20_000, 3_001)])
def test_a_header_that_says_too_many_pixels_is_refused(bomb: bytes):
    error = refusal(bomb)
    assert error.reason_code == Reason.TOO_MANY_PIXELS
    assert "60,000,000" in error.message


def test_a_progressive_jpeg_of_countless_scans_is_refused():
    assert refusal(photo()[:-2] + b"\xff\xda" * 101 + b"\xff\xd9").reason_code == Reason.CORRUPT


def test_a_refusal_is_an_error_that_clients_can_read():
    error = refusal(b"")
    assert isinstance(error, InvalidInput)
    assert error.code == "empty"
    assert str(error).startswith("An image file has at least one byte")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_random_damage_gives_a_picture_or_a_refusal_and_nothing_else(file_format: str):
    random = np.random.default_rng(7)
    small = io.BytesIO()
    Image.open(io.BytesIO(photo())).resize((96, 96)).save(small, file_format)
    for _ in range(60):
        damaged = bytearray(small.getvalue())
        for position in random.integers(0, min(len(damaged), 4000), 6):
            damaged[position] = random.integers(0, 256)
        with suppress(Undecodable):
            assert process(bytes(damaged), limits=Limits(max_pixels=1_000_000)).rendition
