"""A trunk says how much of an image is active, out of the very file that gives its embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.inference.activation import ActivationEngine, active_share
from app.inference.errors import EngineError
from tests.inference.networks import SIZE, tiny_trunk


def test_a_small_subject_activates_less_of_the_image_than_a_large_one(tmp_path: Path):
    engine = ActivationEngine(tiny_trunk(tmp_path / "trunk.onnx"), threads=1)
    assert engine.input_size == SIZE
    images = np.zeros((3, SIZE, SIZE, 3), dtype=np.uint8)
    for image, side in zip(images, (4, 12, 24), strict=True):
        image[:side, :side] = np.random.default_rng(1).integers(100, 255, (side, side, 3))
    energy = engine.energy(images)
    assert energy.shape == (3, 11, 11)
    small, large, whole = active_share(energy).tolist()
    assert small < large < whole


def test_the_share_is_one_of_an_even_map_and_one_place_of_a_single_spark():
    even, spark = np.ones((2, 2), np.float32), np.array([[0, 5], [0, 0]], np.float32)
    np.testing.assert_allclose(active_share(np.stack((even, spark))), [1.0, 0.25])


def test_a_trunk_that_pools_nothing_is_refused(tmp_path: Path):
    path = tmp_path / "odd.onnx"
    path.write_bytes(tiny_trunk(tmp_path / "trunk.onnx").read_bytes().replace(b"ReduceMean", b"ReduceProd"))
    with pytest.raises(EngineError, match="not the mean of a map"):
        ActivationEngine(path)
