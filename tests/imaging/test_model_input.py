"""The one preprocessing: what was sent and what was stored become the same network input."""

import numpy as np
import pytest
from PIL import Image

from app.imaging.errors import Undecodable
from app.imaging.model_input import from_upload, to_pixels
from app.imaging.processing import process
from app.imaging.renditions import rotate_rendition
from tests.photos import encode, photo, photos, with_exif


@pytest.mark.parametrize("size", [32, 96, 224, 299])
def test_upload_and_stored_rendition_agree(size: int):
    for original in photos(15):
        sent = from_upload(original.image_bytes, size=size).astype(np.int16)
        rendition = process(original.image_bytes).rendition
        stored = to_pixels(rendition, size=size)
        # The short way for renditions as we write them gives what the long way gives.
        assert np.array_equal(stored, from_upload(rendition, size=size))
        assert sent.shape == stored.shape == (size, size, 3)
        assert stored.dtype == np.uint8
        assert np.abs(sent - stored).mean() < 2.5
        assert np.quantile(np.abs(sent - stored), 0.99) <= 16


def test_a_large_upload_agrees_with_its_rendition():
    large = encode(photos(1)[0].image.resize((2400, 1800)), "JPEG", quality=92)
    sent = from_upload(large, size=224).astype(np.int16)
    assert np.abs(sent - to_pixels(process(large).rendition, size=224)).mean() < 1.5


def test_the_centre_is_kept():
    image = Image.new("RGB", (600, 300), "red")
    image.paste("blue", (150, 0, 450, 300))
    assert to_pixels(encode(image), size=64).mean(axis=(0, 1)) == pytest.approx([0, 0, 255], abs=2)


def test_rotation_is_clockwise_and_exact():
    upright = to_pixels(photo(), size=128)
    for turns in range(4):
        turned = to_pixels(photo(), size=128, rotation=90 * turns)
        assert turned.flags.c_contiguous
        assert np.array_equal(turned, np.rot90(upright, -turns))


def test_a_turned_rendition_is_what_a_turned_input_shows():
    rendition = process(encode(photos(1)[0].image.resize((500, 340)), "JPEG")).rendition
    for rotation in (90, 180, 270):
        shown = to_pixels(rotate_rendition(rendition, rotation), size=160).astype(np.int16)
        assert np.abs(shown - to_pixels(rendition, size=160, rotation=rotation)).mean() < 2
    assert rotate_rendition(rendition, 0) is rendition


def test_exif_orientation_of_an_upload_is_applied():
    plain = from_upload(with_exif(1), size=96)
    assert np.abs(from_upload(with_exif(6), size=96).astype(np.int16) - np.rot90(plain, -1)).mean() < 1


@pytest.mark.parametrize("rotation", [45, -90, 360])
def test_other_rotations_are_refused(rotation: int):
    with pytest.raises(ValueError, match="90, 180"):
        to_pixels(photo(), size=32, rotation=rotation)
    with pytest.raises(ValueError, match="90, 180"):
        rotate_rendition(photo(), rotation)


def test_an_undecodable_upload_is_refused():
    with pytest.raises(Undecodable):
        from_upload(b"GIF89a", size=32)
    with pytest.raises(ValueError, match="at least 1"):
        from_upload(photo(), size=0)
