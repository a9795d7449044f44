"""Cuts the learning rate when the loss has stopped falling, before early stopping gives up."""

from typing import Final

from worker.learning.backend import keras
from worker.learning.loop_state import LoopState

FACTOR: Final = 0.3
_SMALLEST_SHARE: Final = 0.005


class CutLearningRate(keras.callbacks.Callback):
    """Multiplies the rate by FACTOR each time `patience` further epochs brought no gain. Runs after BestWeights."""

    def __init__(self, state: LoopState, *, patience: int, first_rate: float) -> None:
        super().__init__()
        self._state = state
        self._patience = patience
        self._lowest = first_rate * _SMALLEST_SHARE

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Counts, and cuts."""
        waited = self._state.epochs_without_gain
        if waited and waited % self._patience == 0:
            rate = self.model.optimizer.learning_rate
            rate.assign(max(self._lowest, float(rate) * FACTOR))
