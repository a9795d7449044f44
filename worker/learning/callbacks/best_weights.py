"""Keeps the weights of the best epoch and ends a run that has stopped getting better (early stopping)."""

from typing import Final

from worker.learning.averaging import AveragedWeights
from worker.learning.backend import keras, to_numpy
from worker.learning.loop_state import LoopState

SMALLEST_GAIN: Final = 1e-3
"""A loss must fall by more than this to count as better."""


class BestWeights(keras.callbacks.Callback):
    """Copies the weights (their averages, if there are some) into `state.best_weights` at each best epoch.

    Stops after `patience` epochs without one.
    """

    def __init__(
        self, state: LoopState, *, monitored: str, patience: int, averages: AveragedWeights | None = None
    ) -> None:
        super().__init__()
        self._state = state
        self._monitored = monitored
        self._patience = patience
        self._averages = averages

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compares this epoch with the best."""
        state = self._state
        loss = (logs or {})[self._monitored]
        if state.best_loss is None or loss < state.best_loss - SMALLEST_GAIN:
            state.best_loss = loss
            state.best_epoch = epoch + 1
            state.epochs_without_gain = 0
            averages = self._averages
            state.best_weights = averages.values() if averages else [to_numpy(each) for each in self.model.weights]
        else:
            state.epochs_without_gain += 1
        if state.epochs_without_gain >= self._patience:
            state.ended = "plateau"
            self.model.stop_training = True
