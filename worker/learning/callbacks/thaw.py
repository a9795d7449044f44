"""Lets the trunk thaw from the top down: the head learns alone first, then with it the layers next to it."""

from collections.abc import Callable
from typing import Any, Final

from worker.learning.backend import keras
from worker.learning.events import Event, Note
from worker.learning.optimiser import layers_with_weights

MOST_STAGES: Final = 6
"""Each new stage builds the graph anew, which takes seconds in a large network."""


class Thaw(keras.callbacks.Callback):
    """All layers learn from epoch `epochs` on (from 0); before, a share that grows in at most MOST_STAGES stages.

    The batch norms of a frozen layer keep their averages and normalise by them. What is frozen follows from the
    number of the epoch alone, so a run that goes on is as frozen as it was.
    """

    def __init__(self, network: Any, on_event: Callable[[Event], None], *, epochs: int) -> None:
        super().__init__()
        self._trunk = layers_with_weights(network)[:-1]
        self._on_event = on_event
        self._epochs = epochs
        self._stages = min(MOST_STAGES, epochs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Freezes and thaws what this epoch needs."""
        stage = min(self._stages, epoch * self._stages // self._epochs)
        frozen = len(self._trunk) - len(self._trunk) * stage // self._stages
        wanted = [place >= frozen for place in range(len(self._trunk))]
        if wanted == [layer.trainable for layer in self._trunk]:
            return
        for layer, learns in zip(self._trunk, wanted, strict=True):
            layer.trainable = learns
        self.model.make_train_function(force=True)
        self._on_event(Note(f"Epoch {epoch + 1}: {len(self._trunk) - frozen} of {len(self._trunk)} layers learn."))
