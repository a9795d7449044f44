"""What training tells while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepProgress:
    """At most about two a second. `epoch` and `step` count from 1; figures are means of the epoch so far."""

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_second: float
    eta_seconds: float
    """To the end of the last epoch allowed; early stopping may end sooner."""


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One finished epoch, counted from 1. `val_*` are None where there are no validation images."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    """The rate this epoch ran with."""
    seconds: float
    images_per_second: float
    """Training images alone, validation time left out."""
    is_best: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Something the reader of the run should know, in plain words."""

    text: str


Event = StepProgress | EpochDone | Note
