"""The settings of one run: frozen, checked, and the same after a trip through JSON."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from app.registry.trunks import TRUNKS
from worker.learning.errors import ConfigInvalid

Start = Literal["random", "pretrained", "warm", "head_only"]


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Random changes to training images. Zero (or False) switches one off."""

    flip: bool = True
    """Left-right, half of the time."""
    rotate_degrees: float = 10.0
    """Largest turn to either side, 0..45."""
    zoom: float = 0.1
    """Largest share to come nearer or go further away, 0..0.5."""
    zoom_out: bool = True
    """False lets zoom only come nearer (small subjects must not shrink further)."""
    brightness: float = 0.1
    """Largest shift as a share of the full range, 0..0.5."""
    contrast: float = 0.1
    """Largest change of the factor around 1, 0..0.9."""

    def __post_init__(self) -> None:
        """Raises ConfigInvalid for a value outside its range."""
        _within("augmentation.rotate_degrees", self.rotate_degrees, 0, 45)
        _within("augmentation.zoom", self.zoom, 0, 0.5)
        _within("augmentation.brightness", self.brightness, 0, 0.5)
        _within("augmentation.contrast", self.contrast, 0, 0.9)

    @property
    def is_active(self) -> bool:
        """Whether any change is made at all."""
        return self.flip or any((self.rotate_degrees, self.zoom, self.brightness, self.contrast))


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How to train. `default_config` gives sensible values for each start."""

    trunk: str
    input_size: int
    start: Start
    epochs: int
    """The most epochs; early stopping usually ends sooner."""
    patience: int
    """Epochs without a better loss before training stops; the learning rate is cut at half of it."""
    learning_rate: float
    batch_size: int
    dropout: float = 0.2
    label_smoothing: float = 0.1
    weight_decay: float = 1e-4
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ConfigInvalid for an unknown trunk or start, or a value outside its range."""
        if self.trunk not in TRUNKS:
            raise ConfigInvalid(f"trunk must be one of {', '.join(TRUNKS)}; got {self.trunk!r}.")
        if self.start not in get_args(Start):
            raise ConfigInvalid(f"start must be one of {', '.join(get_args(Start))}; got {self.start!r}.")
        kind = TRUNKS[self.trunk]
        if self.input_size not in kind.allowed_input_sizes:
            sizes = ", ".join(str(size) for size in kind.allowed_input_sizes)
            raise ConfigInvalid(f"input_size of {kind.title} must be one of {sizes}; got {self.input_size}.")
        if self.start == "pretrained" and kind.pretrained == "none":
            raise ConfigInvalid(f"{kind.title} has no pretrained weights: start it at random or warm.")
        _whole("epochs", self.epochs, 1, 10_000)
        _whole("patience", self.patience, 1, 10_000)
        _whole("batch_size", self.batch_size, 1, 4096)
        _whole("seed", self.seed, 0, 2**31 - 1)
        _within("learning_rate", self.learning_rate, 1e-8, 1)
        _within("dropout", self.dropout, 0, 0.9)
        _within("label_smoothing", self.label_smoothing, 0, 0.5)
        _within("weight_decay", self.weight_decay, 0, 1)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FitConfig":
        """The config that `to_json` gave. Raises ConfigInvalid for unknown, missing or wrong values."""
        unknown = set(values) - {each.name for each in fields(cls)}
        augmentation = values.get("augmentation", {})
        unknown |= {f"augmentation.{key}" for key in augmentation} - {
            f"augmentation.{each.name}" for each in fields(AugmentConfig)
        }
        if unknown:
            raise ConfigInvalid(f"Training has no setting named {', '.join(sorted(unknown))}.")
        try:
            return cls(**{**values, "augmentation": AugmentConfig(**augmentation)})
        except TypeError as error:
            raise ConfigInvalid(f"The settings of the run do not fit: {error}.") from error


_BY_START: Final[dict[Start, dict[str, Any]]] = {
    "random": {"epochs": 120, "patience": 16, "learning_rate": 2e-3, "batch_size": 32},
    "pretrained": {"epochs": 60, "patience": 8, "learning_rate": 3e-4, "batch_size": 32},
    "warm": {"epochs": 40, "patience": 6, "learning_rate": 2e-4, "batch_size": 32},
    "head_only": {"epochs": 200, "patience": 10, "learning_rate": 2e-3, "batch_size": 128},
}


def default_config(trunk: str, start: Start, **changes: Any) -> FitConfig:
    """Sensible settings for `start` on `trunk`, with `changes` on top. Raises ConfigInvalid."""
    if trunk not in TRUNKS or start not in _BY_START:
        raise ConfigInvalid(f"There is no trunk {trunk!r} or no start {start!r}.")
    augmentation = AugmentConfig(False, 0, 0, True, 0, 0) if start == "head_only" else AugmentConfig()
    config = FitConfig(
        trunk=trunk,
        input_size=TRUNKS[trunk].default_input_size,
        start=start,
        augmentation=augmentation,
        **_BY_START[start],
    )
    return replace(config, **changes)


def _within(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigInvalid(f"{name} must be a finite number; got {value!r}.")
    if not low <= value <= high:
        raise ConfigInvalid(f"{name} must lie within {low} and {high}; got {value}.")


def _whole(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigInvalid(f"{name} must be a whole number; got {value!r}.")
    _within(name, value, low, high)
