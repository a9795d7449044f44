"""Tells how the run is doing: about twice a second, and once an epoch."""

import time
from collections.abc import Callable
from typing import Final

from worker.learning.backend import keras, to_numpy
from worker.learning.callbacks.validation import Validation
from worker.learning.events import EpochDone, Event, StepProgress
from worker.learning.loop_state import LoopState

SPACING_S: Final = 0.5


class Progress(keras.callbacks.Callback):
    """Emits StepProgress, EpochDone and EpochDetail; appends the second to `state.history`. Runs after BestWeights."""

    def __init__(
        self,
        state: LoopState,
        on_event: Callable[[Event], None],
        *,
        steps: int,
        batch_size: int,
        epochs: int,
        validation: Validation | None = None,
    ) -> None:
        super().__init__()
        self._state = state
        self._on_event = on_event
        self._steps = steps
        self._batch_size = batch_size
        self._epochs = epochs
        self._validation = validation
        self._epoch = 0
        self._rate = 0.0
        self._learning_rate = 0.0
        self._validation_s = 0.0
        self._is_traced = False
        now = time.monotonic()
        self._epoch_began = self._steps_began = self._steps_ended = self._told_at = now
        self._steps_timed = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the epoch's clocks; the rate may be cut before its end, so it is noted here."""
        self._epoch = epoch + 1
        self._learning_rate = float(to_numpy(self.model.optimizer.learning_rate))
        self._epoch_began = self._steps_began = time.monotonic()
        self._steps_timed = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Measures, and tells if it is time."""
        now = time.monotonic()
        self._steps_ended = now
        if not self._is_traced:
            # The first step of a process also builds the graph: it says nothing about the speed.
            self._is_traced = True
            self._steps_began = now
        else:
            self._steps_timed += 1
            self._rate = self._steps_timed * self._batch_size / max(now - self._steps_began, 1e-9)
        if now - self._told_at >= SPACING_S:
            self._told_at = now
            self._tell(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Tells of the epoch."""
        now = time.monotonic()
        logs = logs or {}
        self._validation_s = now - self._steps_ended
        done = EpochDone(
            epoch=epoch + 1,
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
            val_loss=float(logs["val_loss"]) if "val_loss" in logs else None,
            val_accuracy=float(logs["val_accuracy"]) if "val_accuracy" in logs else None,
            learning_rate=self._learning_rate,
            seconds=now - self._epoch_began,
            images_per_second=self._rate,
            is_best=self._state.best_epoch == epoch + 1,
        )
        self._state.history.append(done)
        self._on_event(done)
        if self._validation is not None and self._validation.detail is not None:
            self._on_event(self._validation.detail)

    def _tell(self, step: int, logs: dict[str, float]) -> None:
        epochs_left = self._epochs - self._epoch
        images_left = (self._steps - step + epochs_left * self._steps) * self._batch_size
        self._on_event(
            StepProgress(
                epoch=self._epoch,
                step=step,
                steps=self._steps,
                loss=float(logs["loss"]),
                accuracy=float(logs["accuracy"]),
                images_per_second=self._rate,
                eta_seconds=(images_left / self._rate if self._rate else 0.0) + (epochs_left + 1) * self._validation_s,
            )
        )
