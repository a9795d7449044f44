"""The order of an epoch: which rows each of its steps takes, decided by (seed, epoch) alone."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from worker.learning.backend import tf
from worker.learning.config import FitConfig
from worker.learning.python_calls import PythonCalls

Indices = npt.NDArray[np.int64]
_ORDER: Final = 1
_VALIDATION_BATCH: Final = 32


def epoch_order(
    rows: Indices, classes: Indices, *, seed: int, epoch: int, balanced: bool = False
) -> tuple[Indices, Indices]:
    """`rows` (N,) in the order of this epoch, and which time each one comes in it, from 0, (N,).

    With `balanced`, every class of `classes` (N,) has the same number of places, but for one, and its rows are drawn
    with replacement: some then come several times and others wait for a later epoch.
    """
    chance = np.random.default_rng((seed, epoch, _ORDER))
    if not balanced:
        return chance.permutation(rows), np.zeros(len(rows), np.int64)
    by_class = np.argsort(classes, kind="stable")
    _, first, counts = np.unique(classes[by_class], return_index=True, return_counts=True)
    drawn = chance.permutation(np.resize(chance.permutation(len(counts)), len(rows)))
    places = first[drawn] + (chance.random(len(rows)) * counts[drawn]).astype(np.int64)
    chosen = rows[by_class[places]]
    return chosen, _times_before(chosen)


def epochs(rows: Indices, classes: Indices, config: FitConfig, *, first_epoch: int, calls: PythonCalls) -> Any:
    """All epochs from `first_epoch`, one after another: (epoch, step, rows (B,), times (B,)), as `epoch_order`.

    Without a partial batch: it would upset the norms. `classes` are those of `rows`.
    """
    batch = min(config.batch_size, len(rows))
    steps = len(rows) // batch

    def order(epoch: Any) -> Any:
        with calls:
            balanced = config.balance == "sampling"
            found = epoch_order(rows, classes, seed=config.seed, epoch=int(epoch), balanced=balanced)
            return [each[: steps * batch].reshape(steps, batch) for each in found]

    def one_epoch(epoch: Any) -> Any:
        chosen = [
            tf.ensure_shape(each, (steps, batch))
            for each in tf.numpy_function(order, [epoch], [tf.int64, tf.int64], stateful=False)
        ]
        batches = tf.data.Dataset.from_tensor_slices(tuple(chosen)).enumerate()
        return batches.map(lambda step, taken: (epoch, step, *taken))

    return tf.data.Dataset.range(first_epoch, config.epochs).flat_map(one_epoch).with_options(_options())


def in_order(rows: Indices, config: FitConfig) -> Any:
    """Batches of `rows` as they are, the last one as short as it comes."""
    batches = tf.data.Dataset.from_tensor_slices(rows).batch(max(_VALIDATION_BATCH, config.batch_size))
    return batches.with_options(_options())


def _times_before(chosen: Indices) -> Indices:
    """For each place, how often its row has come before."""
    order = np.argsort(chosen, kind="stable")
    ordered = chosen[order]
    starts = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    places = np.arange(len(chosen))
    times = np.empty(len(chosen), np.int64)
    times[order] = places - np.maximum.accumulate(np.where(starts, places, 0))
    return times


def _options() -> Any:
    options = tf.data.Options()
    options.deterministic = True
    return options
