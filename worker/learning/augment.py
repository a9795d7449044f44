"""Random changes to training images, the same for the same (seed, epoch, image) whatever the order or the restart."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.training.fit_settings import Augmentation
from worker.learning.backend import tf, to_numpy

DRAW_COUNT: Final = 5
"""Numbers an image needs: flip, angle, zoom, brightness, contrast."""
NOT_FLIPPED: Final = 1.0
"""As the first number of an image, keeps it from being flipped."""
_HALF: Final = 0.5
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_U40: Final = np.uint64(40)


def draw(
    image_ids: Sequence[int] | npt.NDArray[np.int64],
    *,
    seed: int,
    epoch: int,
    times: npt.NDArray[np.int64] | int = 0,
) -> npt.NDArray[np.float32]:
    """Uniform numbers in [0, 1), float32 (N, DRAW_COUNT), keyed by seed, epoch and image id (all >= 0) alone.

    `times` tells an image's several places in one epoch apart. The numbers are SplitMix64's (Steele et al. 2014,
    doi 10.1145/2660193.2660195), for all images at once.
    """
    state = np.zeros((len(image_ids), 1), np.uint64)
    for part in (seed, epoch, np.asarray(image_ids, np.int64), times):
        state = _scattered(state ^ np.reshape(np.asarray(part, np.uint64), (-1, 1)))
    steps = np.arange(1, DRAW_COUNT + 1, dtype=np.uint64) * _GOLDEN
    return ((_scattered(state + steps) >> _U40).astype(np.float32) * np.float32(2**-24)).reshape(-1, DRAW_COUNT)


def _scattered(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's step: neighbouring numbers become unlike ones."""
    state = state + _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def augment(images: Any, draws: Any, config: Augmentation) -> Any:
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


def preview(images: npt.NDArray[np.uint8], config: Augmentation, *, seed: int) -> npt.NDArray[np.uint8]:
    """What the changes look like: uint8 (N, S, S, 3) to the same, each image by its own draw."""
    draws = draw(range(len(images)), seed=seed, epoch=0)
    changed = augment(tf.cast(images, tf.float32), tf.constant(draws), config)
    pixels: npt.NDArray[np.uint8] = np.rint(to_numpy(changed)).astype(np.uint8)
    return pixels


def _span(uniform: Any, largest: float) -> Any:
    return (2.0 * uniform - 1.0) * largest


def _zoom_factor(uniform: Any, config: Augmentation) -> Any:
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
