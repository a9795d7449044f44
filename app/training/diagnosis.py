"""What the curves and the sets of a training run say, in plain words: each sentence with the figures it rests on.

A pure function. Thresholds were chosen on measured runs (heads on photos of six fruits, compact networks, several
seeds); beside each stands what was seen. Where the learning rate was far too high the curves mean nothing else, so
nothing else is read from them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from app.training.models import Epoch
from app.training.schemas import EpochFigures

Tone = Literal["bad", "warn", "info", "good"]
Code = Literal[
    "learning_rate_high",
    "learning_rate_low",
    "under_fitting",
    "over_fitting",
    "noisy_labels",
    "too_little_data",
    "class_imbalance",
    "validation_small",
    "cut_off",
    "plateau",
]

# Loss of an epoch over that of the first: runs that learnt stayed below 1.2, a rate ten times too high gave 4 and more.
LEAP: Final = 2.0
# Gap between training and validation accuracy: healthy runs 0.08 to 0.16, three images a class 0.5 and more.
GAP: Final = 0.2
WIDE_GAP: Final = 0.35
# Rise of the validation loss from its lowest: healthy runs below 2%, memorised sets 10% to 120%.
RISE: Final = 0.1
# Share of the way from chance to 1 that the training accuracy has to come: healthy runs 0.8 and more by the end.
FITTED: Final = 0.5
# Mean fall of the watched loss in an epoch: a rate a hundred times too low 0.3%, a healthy start 5% and more.
SLOW: Final = 0.02
# Training images of a class: heads on three and five reached 0.31 on validation images, on eight 0.56, on twelve
# 0.62 and on eighteen 0.79 to 0.83.
FEW_IMAGES: Final = 10
IMBALANCE: Final = 5.0
HALF_WIDTH: Final = 0.1
FEWEST_STEPS: Final = 3
_SIGMA: Final = 1.96
_NAMED: Final = 5


EpochLike = Epoch | EpochFigures


@dataclass(frozen=True, slots=True)
class ClassImages:
    """Images of a class that trained and validated."""

    name: str
    train: int
    validation: int


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the run was given: its classes, and of its settings those that the sentences name."""

    classes: Sequence[ClassImages]
    most_epochs: int
    patience: int
    learning_rate: float
    balance: str = "none"
    has_augmentation: bool = False
    is_running: bool = False
    was_stopped: bool = False
    """By a person, before its end."""
    error_code: str | None = None

    @property
    def chance(self) -> float:
        """The accuracy of always naming the largest class of the validation images, else of the training images."""
        for counts in ([each.validation for each in self.classes], [each.train for each in self.classes]):
            if sum(counts):
                return max(counts) / sum(counts)
        return 1 / max(1, len(self.classes))

    @property
    def trained(self) -> int:
        """Training images, all classes together."""
        return sum(each.train for each in self.classes)

    @property
    def validated(self) -> int:
        """Validation images, all classes together."""
        return sum(each.validation for each in self.classes)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: a sentence with its figures, and what to try."""

    code: Code
    tone: Tone
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Curves:
    """The curves in the figures that the rules compare."""

    epochs: Sequence[EpochLike]
    facts: RunFacts
    losses: Sequence[float] = field(default_factory=list)
    """The watched loss: of validation where there is any, else of training."""

    @property
    def best(self) -> EpochLike:
        return self.epochs[min(range(len(self.losses)), key=self.losses.__getitem__)]

    @property
    def trained(self) -> float:
        """Training accuracy at the end: the mean of the last three epochs, as single ones swing."""
        return _mean([each.accuracy for each in self.epochs[-3:]])

    @property
    def validated(self) -> float | None:
        """Validation accuracy at the end, over the same epochs."""
        found = [each.validation_accuracy for each in self.epochs[-3:] if each.validation_accuracy is not None]
        return _mean(found) if found else None

    def beyond_chance(self, images: int) -> float:
        """The accuracy from which on it is more than chance, on so many images."""
        chance = self.facts.chance
        return chance + _SIGMA * math.sqrt(chance * (1 - chance) / max(1, images))


def diagnose(epochs: Sequence[EpochLike], facts: RunFacts) -> list[Finding]:
    """Findings, the gravest first; empty before the first epoch. `epochs` in order, losses finite."""
    if facts.error_code == "loss_not_finite":
        return [_diverged(facts)]
    if not epochs:
        return []
    watched = [each.validation_loss for each in epochs if each.validation_loss is not None]
    losses = watched if len(watched) == len(epochs) else [each.loss for each in epochs]
    curves = _Curves(epochs, facts, losses)
    if (leapt := _learning_rate_high(curves)) is not None:
        return [leapt]
    noisy = _noisy_labels(curves)
    found = [
        noisy,
        None if noisy else _over_fitting(curves),
        _too_little_data(curves),
        _under_fitting(curves),
        _learning_rate_low(curves),
        _class_imbalance(curves),
        _validation_small(curves),
        _ending(curves),
    ]
    return [each for each in found if each is not None]


def _diverged(facts: RunFacts) -> Finding:
    return Finding(
        "learning_rate_high",
        "bad",
        f"The loss stopped being a number at a learning rate of {facts.learning_rate:g}.",
        f"Train again with {facts.learning_rate / 10:g}, a tenth of it.",
    )


def _learning_rate_high(curves: _Curves) -> Finding | None:
    """The loss leaps up instead of falling, and stands above that of guessing (the logarithm of the classes)."""
    first, *later = curves.epochs
    if not later:
        return None
    worst = max(later, key=lambda each: each.loss)
    guessing = math.log(max(2, len(curves.facts.classes)))
    if worst.loss < LEAP * max(first.loss, guessing):
        return None
    return Finding(
        "learning_rate_high",
        "bad",
        f"The training loss leapt from {first.loss:.2f} to {worst.loss:,.1f} in epoch {worst.number}, where guessing"
        f" gives {guessing:.2f}: the learning rate of {worst.learning_rate:g} is too high.",
        f"Train again with {curves.facts.learning_rate / 10:g}, or with warm-up epochs.",
    )


def _noisy_labels(curves: _Curves) -> Finding | None:
    """The training images are learnt by heart, and nothing of it holds for others."""
    facts, validated = curves.facts, curves.validated
    if validated is None or _smallest(facts) < FEW_IMAGES // 2:
        return None
    most = max(each.validation_accuracy or 0.0 for each in curves.epochs[len(curves.epochs) // 2 :])
    guessing = math.log(max(2, len(facts.classes)))
    is_memorised = curves.trained - validated >= GAP and curves.trained > curves.beyond_chance(facts.trained)
    needed = curves.beyond_chance(facts.validated)
    if not is_memorised or validated > needed or min(curves.losses) < guessing:
        return None
    return Finding(
        "noisy_labels",
        "bad",
        f"The training accuracy reaches {curves.trained:.2f}, but on validation images it is {validated:.2f}"
        f" (at most {most:.2f} in the second half), no better than always naming the largest class"
        f" ({facts.chance:.2f}; more than {needed:.2f} would tell on {facts.validated} images).",
        "Look through the labels of some classes: many may be wrong, or the pictures do not show what tells the"
        " classes apart.",
    )


def _over_fitting(curves: _Curves) -> Finding | None:
    """Training goes on to improve where validation no longer does."""
    if curves.validated is None:
        return None
    gap = curves.trained - curves.validated
    lowest, last = min(curves.losses), _mean(curves.losses[-3:])
    has_risen = last >= lowest * (1 + RISE)
    if not (gap >= WIDE_GAP or (gap >= GAP and has_risen)):
        return None
    risen = f", and the validation loss rose from {lowest:.2f} in epoch {curves.best.number} to {last:.2f}"
    more = "more augmentation" if curves.facts.has_augmentation else "augmentation"
    return Finding(
        "over_fitting",
        "warn",
        f"Training accuracy {curves.trained:.2f} against {curves.validated:.2f} on validation images, a gap of"
        f" {gap:.2f}{risen if has_risen else ''}: the network learns these images rather than their classes.",
        f"Try {more}, more dropout or weight decay, or label more images.",
    )


def _too_little_data(curves: _Curves) -> Finding | None:
    """Classes with very few images, where it shows."""
    few = sorted((each.train, each.name) for each in curves.facts.classes if each.train < FEW_IMAGES)
    if not few or curves.validated is None or curves.trained - curves.validated < GAP:
        return None
    named = ", ".join(f"{name} ({count})" for count, name in few[:_NAMED])
    rest = f" and {len(few) - _NAMED} more classes" if len(few) > _NAMED else ""
    return Finding(
        "too_little_data",
        "warn",
        f"{named}{rest} trained on fewer than {FEW_IMAGES} images, and validation accuracy is {curves.validated:.2f}"
        f" against {curves.trained:.2f} in training.",
        "More images of these classes will do more than any setting; a throw-away run finds candidates in the pool.",
    )


def _under_fitting(curves: _Curves) -> Finding | None:
    """Not even the training images are learnt."""
    reached = max(curves.trained, curves.validated or 0.0)
    chance = curves.facts.chance
    if curves.facts.is_running or reached >= chance + FITTED * (1 - chance):
        return None
    if curves.validated is not None and curves.trained - curves.validated >= GAP:
        return None
    other = f" and {curves.validated:.2f} on validation images" if curves.validated is not None else ""
    return Finding(
        "under_fitting",
        "warn",
        f"After {_epochs(len(curves.epochs))} the training accuracy is {curves.trained:.2f}{other}, where naming the"
        f" largest class gives {chance:.2f}: the network has not learnt the images it was shown.",
        "Give it more epochs, a higher learning rate or a larger trunk; less dropout or augmentation helps too.",
    )


def _learning_rate_low(curves: _Curves) -> Finding | None:
    """The watched loss creeps down in nearly every epoch until the cap."""
    steps = list(zip(curves.losses, curves.losses[1:], strict=False))
    facts = curves.facts
    if facts.is_running or len(steps) < FEWEST_STEPS or len(curves.epochs) < facts.most_epochs:
        return None
    falling = sum(after <= before for before, after in steps) / len(steps)
    fall = 1 - (curves.losses[-1] / curves.losses[0]) ** (1 / len(steps)) if curves.losses[0] > 0 else 0.0
    reached = max(curves.trained, curves.validated or 0.0)
    is_fitted = reached >= facts.chance + FITTED * (1 - facts.chance)
    if is_fitted or falling < 0.8 or fall >= SLOW:  # noqa: PLR2004 - four of five epochs
        return None
    return Finding(
        "learning_rate_low",
        "warn",
        f"The loss fell from {curves.losses[0]:.3f} to {curves.losses[-1]:.3f} over {_epochs(len(curves.epochs))},"
        f" {100 * fall:.1f}% in each: the learning rate of {facts.learning_rate:g} is too low to get anywhere.",
        f"Train again with {facts.learning_rate * 10:g}, ten times as much.",
    )


def _class_imbalance(curves: _Curves) -> Finding | None:
    """One class has many times the training images of another, and nothing evens it out."""
    counts = sorted((each.train, each.name) for each in curves.facts.classes if each.train)
    if len(counts) < 2 or curves.facts.balance != "none":  # noqa: PLR2004 - two to compare
        return None
    (fewest, small), (most, large) = counts[0], counts[-1]
    if most < IMBALANCE * fewest:
        return None
    return Finding(
        "class_imbalance",
        "info",
        f"{large} trained on {most:,} images, {small} on {fewest:,}: {most / fewest:.0f} times as many.",
        "Train with class weights or balanced sampling, or lower the upper cutoff.",
    )


def _validation_small(curves: _Curves) -> Finding | None:
    """So few validation images that one cannot tell runs apart."""
    accuracy, images = curves.validated, curves.facts.validated
    if accuracy is None or not images:
        return Finding(
            "validation_small",
            "info",
            "No image validates, so nothing here says how well the version does on others.",
            "Label images of further groups: a class needs three to be measured.",
        )
    half = _SIGMA * math.sqrt(max(accuracy * (1 - accuracy), 1 / images) / images)
    if half < HALF_WIDTH:
        return None
    return Finding(
        "validation_small",
        "info",
        f"Validation accuracy is {accuracy:.2f} ± {half:.2f} on {images} images: runs that differ by less than"
        f" {half:.2f} cannot be told apart.",
        "Compare versions on a benchmark set with more images.",
    )


def _ending(curves: _Curves) -> Finding | None:
    """How it ended: at the plateau, or cut off while it still improved."""
    facts, count, best = curves.facts, len(curves.epochs), curves.best.number
    if facts.is_running or facts.was_stopped or facts.error_code is not None:
        return None
    if count >= facts.most_epochs and count - best < max(1, facts.patience // 2):
        return Finding(
            "cut_off",
            "info",
            f"It ended at its cap of {_epochs(facts.most_epochs)} while the loss still fell: the best epoch was"
            f" {best}.",
            "Allow more epochs, or start warm from this version.",
        )
    if count - best < facts.patience:
        return None
    after = _epochs(count - best)
    return Finding("plateau", "good", f"Plateau reached: nothing was better than epoch {best} in the {after} after it.")


def _smallest(facts: RunFacts) -> int:
    return min((each.train for each in facts.classes), default=0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count:,} epochs"
