"""Training on all accelerators of this machine at once: each gets its part of every batch, gradients are added up.

Keras' own `keras.distribution` does this on JAX alone; on TensorFlow it is a mirrored strategy, which a network that
was built within its scope follows by itself when it is trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from worker.learning.backend import tf
from worker.learning.config import FitConfig


def devices() -> list[str]:
    """What training computes on: the GPUs, or without one the CPU; names as TensorFlow knows them."""
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


@contextmanager
def on_all_devices(config: FitConfig) -> Iterator[None]:
    """What is built and trained within is so on every device, where there are several.

    A run that gathers gradients over steps stays on the first: Keras cannot do both. No `clear_session` within: it
    forgets the scope.
    """
    names = devices()
    if len(names) == 1 or config.accumulate > 1:
        yield
        return
    with tf.distribute.MirroredStrategy(names).scope():
        yield
