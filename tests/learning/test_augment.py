from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.training.fit_settings import NO_AUGMENTATION, Augmentation
from tests.learning import tiny
from worker.learning.augment import augment, draw, preview
from worker.learning.backend import tf, to_numpy


def _apply(config: Augmentation, draws: npt.NDArray[np.float32]) -> tuple[Any, Any]:
    images = tiny.pixels(tiny.SIZE, 16)[: len(draws)].astype(np.float32)
    return images, to_numpy(augment(tf.constant(images), tf.constant(draws), config))


def test_draws_depend_on_seed_epoch_and_image_alone():
    both = draw([4, 9], seed=1, epoch=2)
    assert np.array_equal(draw([9], seed=1, epoch=2)[0], both[1])
    for seed, epoch in ((2, 2), (1, 3)):
        assert not np.array_equal(draw([4, 9], seed=seed, epoch=epoch), both)


def test_nothing_switched_on_changes_nothing():
    images, changed = _apply(NO_AUGMENTATION, draw(range(4), seed=0, epoch=0))
    assert np.array_equal(images, changed)
    assert not NO_AUGMENTATION.is_active


def test_a_flip_mirrors_left_and_right():
    draws = np.array([[0.1, 0, 0, 0, 0], [0.9, 0, 0, 0, 0]], np.float32)
    images, changed = _apply(NO_AUGMENTATION.model_copy(update={"flip": True}), draws)
    assert np.array_equal(changed[0], images[0, :, ::-1])
    assert np.array_equal(changed[1], images[1])


@pytest.mark.parametrize("middle", [{"rotate_degrees": 20.0}, {"zoom": 0.3}])
def test_a_draw_in_the_middle_turns_and_zooms_nothing(middle: dict[str, float]):
    config = NO_AUGMENTATION.model_copy(update=middle)
    images, changed = _apply(config, np.full((3, 5), 0.5, np.float32))
    assert np.allclose(images, changed, atol=1e-2)


def test_without_zoom_out_the_subject_never_shrinks():
    """A white square on black: its area must not fall."""
    image = np.zeros((8, 33, 33, 3), np.float32)
    image[:, 8:25, 8:25] = 255
    draws = draw(range(8), seed=3, epoch=0)
    config = NO_AUGMENTATION.model_copy(update={"zoom": 0.3, "zoom_out": False})
    areas = to_numpy(augment(tf.constant(image), tf.constant(draws), config)).sum(axis=(1, 2, 3))
    assert (areas >= image[0].sum() * 0.99).all()


def test_values_stay_in_range_and_a_preview_gives_pixels():
    strong = Augmentation(rotate_degrees=45, zoom=0.5, brightness=0.5, contrast=0.9)
    images = tiny.pixels(tiny.SIZE, 16)
    shown = preview(images, strong, seed=1)
    assert shown.dtype == np.uint8
    assert shown.shape == images.shape
    assert np.array_equal(shown, preview(images, strong, seed=1))
    assert not np.array_equal(shown, preview(images, strong, seed=2))
