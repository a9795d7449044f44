"""What training tells while it runs."""

from dataclasses import dataclass
from typing import Literal


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
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A validation image that was answered wrongly: its row in the samples, and positions of classes."""

    row: int
    true: int
    answered: int
    confidence: float


@dataclass(frozen=True, slots=True)
class EpochDetail:
    """What the validation of an epoch, counted from 1, says by class and image. Follows its EpochDone."""

    epoch: int
    per_class: tuple[tuple[int, int, int], ...]
    """Position of the class, images answered rightly, images seen; of 200 classes at most."""
    mistakes: tuple[Mistake, ...]
    """The surest ones, 12 at most."""


Event = StepProgress | EpochDone | EpochDetail | Note
