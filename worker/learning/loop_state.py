"""What the training loop remembers from epoch to epoch, apart from the network and its optimiser."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy.typing as npt

from worker.learning.events import EpochDone

Ended = Literal["plateau", "stopped"]
"""`plateau`: early stopping; `stopped`: a person did."""


@dataclass
class LoopState:
    """Changed by the callbacks, saved with every checkpoint."""

    history: list[EpochDone] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float | None = None
    epochs_without_gain: int = 0
    ended: Ended | None = None
    halvings: int = 0
    """How often the batch was halved because the memory did not suffice."""
    seconds: float = 0.0
    """Of all attempts together."""
    best_weights: list[npt.NDArray[Any]] = field(default_factory=list)
    """In the order of `network.weights`; saved as tensors, not in `to_json`."""

    @property
    def epochs_done(self) -> int:
        """Finished epochs, of all attempts together."""
        return len(self.history)

    def to_json(self) -> str:
        """All but the weights."""
        values = {name: getattr(self, name) for name in _PLAIN}
        return json.dumps({**values, "history": [asdict(epoch) for epoch in self.history]})

    @classmethod
    def from_json(cls, text: str, best_weights: list[npt.NDArray[Any]]) -> "LoopState":
        """The state that `to_json` gave. Raises ValueError, TypeError or KeyError for another text."""
        values = json.loads(text)
        history = [EpochDone(**epoch) for epoch in values["history"]]
        return cls(history=history, best_weights=best_weights, **{name: values[name] for name in _PLAIN})


_PLAIN = ("best_epoch", "best_loss", "epochs_without_gain", "ended", "halvings", "seconds")
