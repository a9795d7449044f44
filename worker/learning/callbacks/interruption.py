"""Asks between steps whether a person wants the run to stop or to be cancelled."""

import time
from collections.abc import Callable
from typing import Final, Literal

from worker.learning.backend import keras
from worker.learning.errors import FitCancelled
from worker.learning.loop_state import LoopState

ShouldStop = Callable[[], Literal["stop", "cancel"] | None]
SPACING_S: Final = 0.5


class Interruption(keras.callbacks.Callback):
    """`stop` ends the epoch where it is, validates and keeps the best; `cancel` raises FitCancelled.

    Asks at most every SPACING_S within an epoch, and at the end of each. Runs before the checkpoint.
    """

    def __init__(self, state: LoopState, should_stop: ShouldStop) -> None:
        super().__init__()
        self._state = state
        self._should_stop = should_stop
        self._is_cancelled = False
        self._asked_at = float("-inf")

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Gives up here if the last epoch's end said so: its checkpoint is written by now."""
        self._raise_if_cancelled()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Asks, if it is time."""
        self.ask_in_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Asks always."""
        self._ask()

    def ask_in_time(self) -> None:
        """Asks, if the last time is SPACING_S ago. Raises FitCancelled."""
        if time.monotonic() - self._asked_at >= SPACING_S:
            self._ask()
            self._raise_if_cancelled()

    def _ask(self) -> None:
        answer = self._should_stop()
        self._asked_at = time.monotonic()
        self._is_cancelled = answer == "cancel"
        if answer == "stop":
            self._state.ended = "stopped"
            self.model.stop_training = True

    def _raise_if_cancelled(self) -> None:
        if self._is_cancelled:
            raise FitCancelled("The run was cancelled; what it had learned until its last epoch is kept.")
