"""Stops a run whose loss has left the numbers."""

import math
from typing import Any

from worker.learning.backend import keras, to_numpy
from worker.learning.errors import LossNotFinite


class FiniteLoss(keras.callbacks.Callback):
    """Raises LossNotFinite at the first step or validation whose loss is infinite or not a number."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remembers the epoch for the message."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the training loss."""
        self._check((logs or {}).get("loss", 0.0), f"epoch {self._epoch}, step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the validation loss."""
        self._check((logs or {}).get("val_loss", 0.0), f"the validation of epoch {epoch + 1}")

    def _check(self, loss: float, place: str) -> None:
        if not math.isfinite(loss):
            rate = float(to_numpy(self.model.optimizer.learning_rate))
            raise LossNotFinite(
                f"The loss became {loss} in {place}, so nothing more can be learned. The usual cause is too high a"
                f" learning rate (it was {rate:g}): try a tenth of it."
            )
