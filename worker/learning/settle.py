"""A new head is fitted to the trunk as it is before both learn together.

The gradients that random output weights send down distort features that were good (Kumar et al. 2022,
arXiv:2202.10054). So the embeddings of the training images are computed once, as they are, and the head is fitted to
them; from the first epoch on all weights learn as in any other run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from worker.learning.backend import keras, tf, to_numpy
from worker.learning.config import FitConfig
from worker.learning.data import ImageSamples
from worker.learning.distill import UNLABELLED
from worker.learning.epochs import Indices
from worker.learning.heads import EMBEDDING_LAYER, OUTPUT_LAYER

MOST_IMAGES: Final = 30_000
_FEWEST_OF_A_CLASS: Final = 20
_STEPS: Final = (400, 3000)
_EPOCHS: Final = 40
_BATCH: Final = 128
_RATE: Final = 1e-2
_DECAY: Final = 1e-2
_ORDER: Final = 3
_BETAS: Final = (0.9, 0.999)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Embedded:
    vectors: Floats
    """(N, E), each column with mean 0 and deviation 1 at most over the training images."""
    classes: Indices


def settle_head(
    network: Any,
    samples: ImageSamples,
    config: FitConfig,
    *,
    class_count: int,
    between: Callable[[], None] = lambda: None,
) -> int:
    """Fits the output layer of `network` to the trunk under it, which stays as it is; returns the images embedded.

    At most about MOST_IMAGES of the training images are taken, evenly by class. `between` is called after each batch
    and may raise to end the run.
    """
    rows = _evenly(samples.train_rows, samples.class_indices[samples.train_rows], class_count)
    embedder = keras.Model(network.input, network.get_layer(EMBEDDING_LAYER).input)
    embed = tf.function(lambda images: tf.cast(embedder(images, training=False), tf.float32), reduce_retracing=True)

    def embedded(rows: Indices) -> Floats:
        found = []
        for images, _ in samples.plain_batches(rows, config, class_count=class_count):
            found.append(to_numpy(embed(images)))
            between()
        return np.concatenate(found)

    train = embedded(rows)
    mean, variance = train.mean(axis=0), train.var(axis=0)
    # Never less than the usual one: what hardly varies in these images would be blown up in others.
    deviation = np.sqrt(variance + variance.mean() + np.float32(1e-12))
    training = _Embedded((train - mean) / deviation, samples.class_indices[rows])
    layer = network.get_layer(OUTPUT_LAYER)
    kernel, bias = (to_numpy(each) for each in layer.weights)
    start = (kernel * deviation[:, None], bias + mean @ kernel)
    kernel, bias = _fitted(start, training, config)
    kernel = kernel / deviation[:, None]
    layer.set_weights([kernel, bias - mean @ kernel])
    return len(rows)


def _evenly(rows: Indices, classes: Indices, class_count: int) -> Indices:
    """The labelled ones of `rows`, of each class as many at most as keep all to about MOST_IMAGES."""
    if len(rows) <= MOST_IMAGES:
        labelled: Indices = rows[classes != UNLABELLED]
        return labelled
    most = max(_FEWEST_OF_A_CLASS, MOST_IMAGES // class_count)
    by_class = np.argsort(classes, kind="stable")
    ordered = classes[by_class]
    place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    taken: Indices = np.sort(rows[by_class[(place < most) & (ordered != UNLABELLED)]])
    return taken


def _fitted(start: tuple[Floats, Floats], training: _Embedded, config: FitConfig) -> tuple[Floats, Floats]:
    """Kernel (E, C) and bias (C,) by Adam with a rate that falls to nothing."""
    chance = np.random.default_rng((config.seed, _ORDER))
    count = len(training.classes)
    batch = min(_BATCH, count)
    steps = int(np.clip(_EPOCHS * count // batch, *_STEPS))
    weights = np.concatenate([start[0], start[1][None]]).astype(np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    order = np.empty(0, np.int64)
    for step in range(1, steps + 1):
        if len(order) < batch:
            order = chance.permutation(count)
        taken, order = order[:batch], order[batch:]
        vectors, classes = training.vectors[taken], training.classes[taken]
        gradient = _gradient(weights, vectors, classes, config.label_smoothing)
        gradient[:-1] += np.float32(_DECAY) * weights[:-1]
        first += (gradient - first) * np.float32(1 - _BETAS[0])
        second += (gradient * gradient - second) * np.float32(1 - _BETAS[1])
        unbiased = np.sqrt(1 - _BETAS[1] ** step) / (1 - _BETAS[0] ** step)
        rate = _RATE * (1 + np.cos(np.pi * step / steps)) / 2
        weights -= np.float32(rate * unbiased) * first / (np.sqrt(second) + np.float32(1e-7))
    return weights[:-1], weights[-1]


def _gradient(weights: Floats, vectors: Floats, classes: Indices, smoothing: float) -> Floats:
    shares = np.exp(_log_shares(weights, vectors)) - np.float32(smoothing / weights.shape[1])
    shares[np.arange(len(classes)), classes] -= np.float32(1 - smoothing)
    shares /= np.float32(len(classes))
    return np.concatenate([vectors.T @ shares, shares.sum(axis=0, keepdims=True)])


def _log_shares(weights: Floats, vectors: Floats) -> Floats:
    logits = vectors @ weights[:-1] + weights[-1]
    logits = logits - logits.max(axis=1, keepdims=True)
    shares: Floats = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return shares
