"""Perceptual hashes: near for copies, far for other photos."""

import io
from itertools import combinations

import numpy as np
from PIL import Image

from app.imaging.measures import hash_chunks, phash_distance
from app.imaging.processing import process
from tests.photos import encode, photos


def test_reencoded_and_resized_copies_are_near():
    for original in photos(25):
        image = original.image
        own = process(original.image_bytes).phash
        copies = (
            encode(image, "JPEG", quality=50),
            encode(image, "WEBP", quality=60),
            encode(image.resize((220, 220)), "PNG"),
            encode(image.resize((1044, 1044)), "JPEG"),
        )
        assert max(phash_distance(own, process(copy).phash) for copy in copies) <= 6


def test_different_photos_are_mostly_far():
    hashes = [process(original.image_bytes).phash for original in photos(100)]
    distances = np.array([phash_distance(left, right) for left, right in combinations(hashes, 2)])
    assert (distances > 12).mean() > 0.99
    assert 24 < np.median(distances) < 36


def test_a_hash_fits_a_signed_column_and_splits_into_four_parts():
    hashes = [process(original.image_bytes).phash for original in photos(20)]
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert min(hashes) < 0 < max(hashes)
    assert phash_distance(-1, 0) == 64
    assert hash_chunks(-1) == (65535, 65535, 65535, 65535)
    assert hash_chunks(0x0001_0002_0003_0004) == (1, 2, 3, 4)


def test_flat_images_have_one_hash():
    flat = [encode(Image.new("RGB", (400, 300), colour)) for colour in ("black", "white", "#808182")]
    assert {process(image_bytes).phash for image_bytes in flat} == {0}


def test_a_mirrored_photo_is_not_a_near_copy():
    original = photos(1)[0]
    mirrored = Image.open(io.BytesIO(original.image_bytes)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert phash_distance(process(original.image_bytes).phash, process(encode(mirrored)).phash) > 12
