"""One file after every epoch that holds all a run needs to go on as if nothing had happened."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from worker.learning.backend import keras
from worker.learning.checkpoints import save_checkpoint
from worker.learning.loop_state import LoopState


class Checkpoint(keras.callbacks.Callback):
    """Writes `path` at the end of an epoch, at most every `spacing_s` seconds, and always at the run's end."""

    def __init__(
        self, path: Path, state: LoopState, *, fingerprint: str, spacing_s: float, averages: Sequence[Any] = ()
    ) -> None:
        super().__init__()
        self._path = path
        self._state = state
        self._fingerprint = fingerprint
        self._spacing_s = spacing_s
        self._averages = averages
        self._written_at = float("-inf")
        self._began_at = time.monotonic() - state.seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes, if it is time."""
        now = time.monotonic()
        self._state.seconds = now - self._began_at
        if now - self._written_at >= self._spacing_s or self._state.ended is not None:
            save_checkpoint(self._path, self.model, self._state, fingerprint=self._fingerprint, averages=self._averages)
            self._written_at = now
