"""Two images in one: mixup (Zhang et al. 2018, arXiv 1710.09412) and cutmix (Yun et al. 2019, arXiv 1905.04899).

Each image of a batch takes its part of the other from the one before it; targets are mixed in the share of the pixels.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from worker.learning.backend import tf

MIX_COUNT: Final = 5
"""Numbers an image needs: its own weight outside the box, and the box in 0..1: top, left, bottom, right."""
_MIX: Final = 2
_HALF: Final = 0.5


def draw_mixes(count: int, *, mixup: float, cutmix: float, seed: int, epoch: int, step: int) -> npt.NDArray[np.float32]:
    """How to mix a batch of `count` images, float32 (count, MIX_COUNT); by (seed, epoch, step) alone.

    `mixup` and `cutmix` are the alphas of the two (0: off); where both are on, each image is as likely to get either.
    """
    chance = np.random.default_rng((seed, epoch, step, _MIX))
    mixes = np.zeros((count, MIX_COUNT), np.float32)
    mixes[:, 0] = 1
    is_cut = chance.random(count) < (_HALF if mixup else 1) if cutmix else np.zeros(count, bool)
    if mixup:
        mixes[~is_cut, 0] = chance.beta(mixup, mixup, count)[~is_cut]
    if cutmix:
        half_side = np.sqrt(1 - chance.beta(cutmix, cutmix, count)) / 2
        for axis in (0, 1):
            middle = chance.random(count)
            mixes[is_cut, 1 + axis] = np.clip(middle - half_side, 0, 1)[is_cut]
            mixes[is_cut, 3 + axis] = np.clip(middle + half_side, 0, 1)[is_cut]
    return mixes


def mix(images: Any, targets: Any, mixes: Any) -> tuple[Any, Any]:
    """Mixes a batch: float32 (N, S, S, 3) and targets (N, C), by `draw_mixes` (N, MIX_COUNT), to the same."""
    own, top, left, bottom, right = (each[:, None] for each in tf.unstack(mixes, axis=1))
    size = tf.shape(images)[1]
    middles = (tf.range(tf.cast(size, tf.float32)) + _HALF)[None] / tf.cast(size, tf.float32)
    in_rows, in_columns = (top <= middles) & (middles < bottom), (left <= middles) & (middles < right)
    in_box = in_rows[:, :, None] & in_columns[:, None, :]
    weights = tf.where(in_box, 0.0, own[:, :, None])
    share = tf.reduce_mean(weights, axis=(1, 2))[:, None]
    return (
        _with_the_one_before(images, weights[..., None]),
        _with_the_one_before(targets, share),
    )


def _with_the_one_before(values: Any, weights: Any) -> Any:
    return values * weights + tf.roll(values, 1, axis=0) * (1.0 - weights)
