"""What may be searched and how a study is asked for; what a trial is as a plain value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.core.database import Json
from app.core.errors import InvalidInput
from app.registry.trunks import TRUNKS
from app.training.fit_settings import DEFAULT_SETTINGS
from app.training.schemas import TrainingChoices

Objective = Literal["validation_accuracy", "validation_loss"]
Kind = Literal["number", "whole", "choice"]
Value = float | int | str | bool

OBJECTIVES: Final[dict[str, str]] = {
    "validation_accuracy": "Highest validation accuracy",
    "validation_loss": "Lowest validation loss",
}
MOST_TRIALS: Final = 1000
MOST_AT_ONCE: Final = 16
_AUGMENTATION: Final = "augmentation."


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Dimension(_Frozen):
    """One setting that is searched: a range with both ends included, or a list of choices."""

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    is_log: bool = False
    choices: tuple[Value, ...] = Field((), max_length=20)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "choice":
            if len(set(self.choices)) < 2:  # noqa: PLR2004 - one choice is no search
                raise ValueError(f"{self.name} needs two choices or more; received {len(set(self.choices))}")
        elif self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(f"{self.name} needs a low end below its high end; received {self.low} and {self.high}")
        elif self.is_log and self.low <= 0:
            raise ValueError(f"{self.name} is searched by its logarithm, so it must be above 0; received {self.low}")
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that must be allowed for all of it to be."""
        if self.kind == "choice":
            return self.choices
        ends = (self.low or 0.0, self.high or 0.0)
        return tuple(int(end) for end in ends) if self.kind == "whole" else ends


@dataclass(frozen=True, slots=True)
class Searchable:
    """A setting that a study may search, with the range it proposes."""

    dimension: Dimension
    title: str
    group: str
    is_proposed: bool = False


def _number(name: str, low: float, high: float, *, is_log: bool = False) -> Dimension:
    return Dimension(name=name, kind="number", low=low, high=high, is_log=is_log)


def _whole(name: str, low: int, high: int) -> Dimension:
    return Dimension(name=name, kind="whole", low=low, high=high)


def _choice(name: str, *choices: Value) -> Dimension:
    return Dimension(name=name, kind="choice", choices=choices)


SEARCHABLE: Final[dict[str, Searchable]] = {
    each.dimension.name: each
    for each in (
        Searchable(_number("learning_rate", 1e-4, 1e-2, is_log=True), "Learning rate", "Learning", is_proposed=True),
        Searchable(_choice("batch_size", 16, 32, 64, 128), "Images in a step", "Learning"),
        Searchable(_whole("warmup_epochs", 0, 5), "Epochs of warm-up", "Learning"),
        Searchable(_number("discriminative_rate", 0.01, 1.0, is_log=True), "Rate at the stem", "Learning"),
        Searchable(_whole("unfreeze_epochs", 0, 10), "Epochs of thawing", "Learning"),
        Searchable(_choice("ema", 0.0, 0.9, 0.99), "Averaged weights", "Learning"),
        Searchable(_number("dropout", 0.0, 0.6), "Dropout", "Regularisation", is_proposed=True),
        Searchable(_number("label_smoothing", 0.0, 0.3), "Label smoothing", "Regularisation", is_proposed=True),
        Searchable(
            _number("weight_decay", 1e-6, 1e-2, is_log=True), "Weight decay", "Regularisation", is_proposed=True
        ),
        Searchable(_choice("balance", "none", "class_weights", "sampling"), "Balance of classes", "Regularisation"),
        Searchable(_number("mixup", 0.0, 0.4), "Mixup", "Augmentation"),
        Searchable(_number("cutmix", 0.0, 1.0), "Cutmix", "Augmentation"),
        Searchable(_number("augmentation.rotate_degrees", 0.0, 30.0), "Largest turn", "Augmentation"),
        Searchable(_number("augmentation.zoom", 0.0, 0.3), "Largest zoom", "Augmentation"),
        Searchable(_number("augmentation.brightness", 0.0, 0.3), "Brightness", "Augmentation"),
        Searchable(_number("augmentation.contrast", 0.0, 0.4), "Contrast", "Augmentation"),
        Searchable(_choice("augmentation.flip", True, False), "Left-right flip", "Augmentation"),
        Searchable(_choice("views", 0, 2, 4), "Augmented views", "Augmentation"),
        Searchable(_choice("trunk", *TRUNKS), "Trunk", "Architecture"),
        Searchable(_choice("input_size", 96, 128, 160, 192, 224), "Input size", "Architecture"),
    )
}


def apply(base: TrainingChoices, settings: Json) -> TrainingChoices:
    """The choices of a trial: `settings` by name over `base`. Raises InvalidInput where a value is not allowed."""
    plain = {name: value for name, value in settings.items() if not name.startswith(_AUGMENTATION)}
    changes = {name.removeprefix(_AUGMENTATION): value for name, value in settings.items() if name not in plain}
    if changes:
        default = DEFAULT_SETTINGS[base.start].augmentation
        plain["augmentation"] = {**(base.augmentation or default).model_dump(), **changes}
    try:
        applied: TrainingChoices = TrainingChoices.model_validate({**base.model_dump(), **plain})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"A trial's settings must be allowed for a run; {place}: {first['msg']}.") from error
    return applied


class StudyRequest(_Frozen):
    """A study as somebody asks for it."""

    name: str = Field(min_length=1, max_length=100)
    base: TrainingChoices
    space: tuple[Dimension, ...] = Field(min_length=1, max_length=len(SEARCHABLE))
    objective: Objective = "validation_accuracy"
    most_trials: int = Field(20, ge=2, le=MOST_TRIALS)
    most_hours: Annotated[float, Field(gt=0, le=10_000)] | None = None
    at_once: int = Field(1, ge=1, le=MOST_AT_ONCE)
    prunes: bool = True
    seed: int = Field(0, ge=0, le=2**31 - 1)

    def check(self) -> None:
        """Raises InvalidInput: an unknown or repeated setting, one without use, or a value that no run would take."""
        names = [each.name for each in self.space]
        if odd := sorted({*names} - {*SEARCHABLE}):
            raise InvalidInput(f"A study searches {', '.join(SEARCHABLE)}; received {', '.join(odd)}.")
        if len({*names}) < len(names):
            raise InvalidInput(f"Each setting is searched once; received {', '.join(names)}.")
        if self.base.start == "warm" and {*names} & {"trunk"}:
            raise InvalidInput("A warm start keeps its parent's trunk: it cannot be searched.")
        for each in self.space:
            if each.kind != SEARCHABLE[each.name].dimension.kind:
                expected = SEARCHABLE[each.name].dimension.kind
                raise InvalidInput(f"{each.name} is searched as a {expected}; received a {each.kind}.")
            for end in each.ends:
                apply(self.base, {each.name: end})


@dataclass(frozen=True, slots=True)
class PastTrial:
    """A trial as the sampler sees it. `steps` are the objective after each epoch, from epoch 1."""

    number: int
    state: str
    settings: Json
    score: float | None
    steps: tuple[tuple[int, float], ...] = ()


def shown(value: Any) -> str:
    """A setting's value for people: three significant figures."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
