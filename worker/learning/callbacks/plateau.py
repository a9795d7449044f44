"""Cuts the learning rate when the loss has stopped falling, before early stopping gives up."""

from collections.abc import Callable
from typing import Final

from worker.learning.backend import keras, to_numpy
from worker.learning.events import Event, Note
from worker.learning.loop_state import LoopState

FACTOR: Final = 0.3
_SMALLEST_SHARE: Final = 0.005


class CutLearningRate(keras.callbacks.Callback):
    """Multiplies the rate by FACTOR each time `patience` further epochs brought no gain. Runs after BestWeights.

    The first `after` epochs, in which the rate still rises, are left alone.
    """

    def __init__(
        self,
        state: LoopState,
        on_event: Callable[[Event], None],
        *,
        patience: int,
        first_rate: float,
        after: int = 0,
    ) -> None:
        super().__init__()
        self._state = state
        self._on_event = on_event
        self._patience = patience
        self._lowest = first_rate * _SMALLEST_SHARE
        self._after = after

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Counts, and cuts."""
        waited = self._state.epochs_without_gain
        if epoch >= self._after and waited and waited % self._patience == 0:
            optimizer = self.model.optimizer
            rate = max(self._lowest, float(to_numpy(optimizer.learning_rate)) * FACTOR)
            optimizer.learning_rate = rate
            self._on_event(Note(f"No gain for {waited} epochs: the learning rate is {rate:.2g} from now on."))
