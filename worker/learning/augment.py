"""Random changes to training images, the same for the same (seed, epoch, image) whatever the order or the restart."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from worker.learning.backend import tf, to_numpy
from worker.learning.config import AugmentConfig

DRAW_COUNT: Final = 5
"""Numbers an image needs: flip, angle, zoom, brightness, contrast."""
_HALF: Final = 0.5


def draw(image_ids: Sequence[int], *, seed: int, epoch: int) -> npt.NDArray[np.float32]:
    """Uniform numbers in 0..1, float32 (N, DRAW_COUNT), keyed by seed, epoch and image id (all >= 0)."""
    rows = [np.random.default_rng((seed, epoch, int(image))).random(DRAW_COUNT) for image in image_ids]
    return np.asarray(rows, dtype=np.float32).reshape(-1, DRAW_COUNT)


def augment(images: Any, draws: Any, config: AugmentConfig) -> Any:
    """Changes a batch: float32 (N, S, S, 3) in 0..255 with `draws` (N, DRAW_COUNT) to the same, clipped.

    Pixels that a turn or a shrink brings in from outside are mirrored.
    """
    flip, angle, zoom, shift, contrast = tf.unstack(draws, axis=1)
    if config.flip:
        images = tf.where((flip < _HALF)[:, None, None, None], images[:, :, ::-1, :], images)
    if config.rotate_degrees or config.zoom:
        images = _turn_and_zoom(images, _span(angle, config.rotate_degrees), _zoom_factor(zoom, config))
    if config.contrast:
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        factor = (1.0 + _span(contrast, config.contrast))[:, None, None, None]
        images = mean + (images - mean) * factor
    if config.brightness:
        images = images + (255.0 * _span(shift, config.brightness))[:, None, None, None]
    return tf.clip_by_value(images, 0.0, 255.0)


def preview(images: npt.NDArray[np.uint8], config: AugmentConfig, *, seed: int) -> npt.NDArray[np.uint8]:
    """What the changes look like: uint8 (N, S, S, 3) to the same, each image by its own draw."""
    draws = draw(range(len(images)), seed=seed, epoch=0)
    changed = augment(tf.cast(images, tf.float32), tf.constant(draws), config)
    pixels: npt.NDArray[np.uint8] = np.rint(to_numpy(changed)).astype(np.uint8)
    return pixels


def _span(uniform: Any, largest: float) -> Any:
    return (2.0 * uniform - 1.0) * largest


def _zoom_factor(uniform: Any, config: AugmentConfig) -> Any:
    nearest, furthest = 1.0 - config.zoom, 1.0 + config.zoom if config.zoom_out else 1.0
    return nearest + uniform * (furthest - nearest)


def _turn_and_zoom(images: Any, degrees: Any, factor: Any) -> Any:
    """One affine map an image about its centre; `factor` above 1 shows more than the image, so shrinks it."""
    size = tf.shape(images)[1:3]
    middle = (tf.cast(size, tf.float32) - 1.0) / 2.0
    radians = degrees * (np.pi / 180.0)
    cos, sin = factor * tf.cos(radians), factor * tf.sin(radians)
    x0 = middle[1] - cos * middle[1] + sin * middle[0]
    y0 = middle[0] - sin * middle[1] - cos * middle[0]
    zero = tf.zeros_like(cos)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([cos, -sin, x0, sin, cos, y0, zero, zero], axis=1),
        output_shape=size,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
