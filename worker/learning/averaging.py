"""The moving average of a network's weights: calmer than the weights themselves, and often better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy.typing as npt

from worker.learning.backend import tf, to_numpy

_FIRST: Final = 10.0


class AveragedWeights:
    """An average of all weights of `network`, moving averages of its norms included.

    The memory grows from nothing to `memory` (of 0..1) over the first steps, or the random weights of the start
    would weigh on a short run to its end. Where the start `is_settled`, it is whole at once: what the first steps
    upset comes in slowly.
    """

    def __init__(self, network: Any, memory: float, *, is_settled: bool = False) -> None:
        self._weights = [each.value for each in network.weights]
        self.variables = [tf.Variable(each, trainable=False) for each in self._weights]
        self._memory = memory
        self._is_settled = is_settled
        self._move = tf.function(self._blend)

    def restart(self) -> None:
        """The average is of the weights as they are now."""
        _assign(self.variables, self._weights)

    def update(self, step: int) -> None:
        """After optimiser step `step`, from 1."""
        grown = 1.0 if self._is_settled else (1 + step) / (_FIRST + step)
        self._move(tf.constant(min(self._memory, grown), tf.float32))

    def values(self) -> list[npt.NDArray[Any]]:
        """Copies, in the order of `network.weights`."""
        return [to_numpy(each) for each in self.variables]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network answers with the average inside, and has its own weights again afterwards."""
        own = [to_numpy(each) for each in self._weights]
        _assign(self._weights, self.variables)
        try:
            yield
        finally:
            _assign(self._weights, own)

    def _blend(self, memory: Any) -> None:
        for average, weight in zip(self.variables, self._weights, strict=True):
            average.assign(average + (1.0 - memory) * (weight - average))


def _assign(variables: list[Any], values: list[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
