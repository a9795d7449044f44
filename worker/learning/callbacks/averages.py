"""Keeps the moving average of the weights up to date."""

from worker.learning.averaging import AveragedWeights
from worker.learning.backend import keras, to_numpy


class UpdateAverages(keras.callbacks.Callback):
    """After each step of the optimiser; batches that only gather gradients change nothing."""

    def __init__(self, averages: AveragedWeights) -> None:
        super().__init__()
        self._averages = averages
        self._step = 0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """A run that goes on has made steps before."""
        self._step = int(to_numpy(self.model.optimizer.iterations))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the average if a step was made."""
        step = int(to_numpy(self.model.optimizer.iterations))
        if step != self._step:
            self._step = step
            self._averages.update(step)
