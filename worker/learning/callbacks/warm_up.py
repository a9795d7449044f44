"""Raises the learning rate step by step at the start, so that new weights do not upset the others."""

from worker.learning.backend import keras


class WarmUp(keras.callbacks.Callback):
    """From almost nothing to `rate` in a straight line over the first `epochs` epochs of `steps` steps each."""

    def __init__(self, *, rate: float, epochs: int, steps: int) -> None:
        super().__init__()
        self._rate = rate
        self._whole = epochs * steps
        self._steps = steps
        self._done = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Finds the place on the line, also of a run that goes on."""
        self._done = epoch * self._steps
        self._raise()

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """One step up."""
        self._raise()
        self._done += 1

    def _raise(self) -> None:
        if self._done < self._whole:
            self.model.optimizer.learning_rate = self._rate * (self._done + 1) / self._whole
