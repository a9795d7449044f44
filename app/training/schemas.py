"""What may be asked of a training run, with defaults that need no thought, and what the run reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.core.database import Json
from app.datasets.schemas import Manifest
from app.registry.schemas import VersionRef

Start = Literal["random", "pretrained", "warm", "head_only"]
Purpose = Literal["normal", "throwaway"]

START_TITLES: Final[dict[str, str]] = {
    "head_only": "Head only",
    "warm": "Warm start",
    "pretrained": "Pretrained trunk",
    "random": "From scratch",
}
MOST_EPOCHS: Final = 10_000
_THROWAWAY_SHARE: Final = 0.875


def throwaway_lower(lower_cutoff: int) -> int:
    """The lower cutoff that a throw-away run proposes: a little below the project's (40 → 35)."""
    return max(2, int(lower_cutoff * _THROWAWAY_SHARE))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Augmentation(_Frozen):
    """Random changes to training images; zero (or false) switches one off."""

    flip: bool = True
    rotate_degrees: float = Field(10.0, ge=0, le=45)
    zoom: float = Field(0.1, ge=0, le=0.5)
    zoom_out: bool = True
    brightness: float = Field(0.1, ge=0, le=0.5)
    contrast: float = Field(0.1, ge=0, le=0.9)


NO_AUGMENTATION: Final = Augmentation(flip=False, rotate_degrees=0, zoom=0, brightness=0, contrast=0)


class FitSettings(_Frozen):
    """How the loop trains: each value may be given, and has a default by start."""

    epochs: int = Field(ge=1, le=MOST_EPOCHS)
    patience: int = Field(ge=1, le=MOST_EPOCHS)
    learning_rate: float = Field(ge=1e-8, le=1)
    batch_size: int = Field(ge=1, le=4096)
    dropout: float = Field(0.2, ge=0, le=0.9)
    label_smoothing: float = Field(0.1, ge=0, le=0.5)
    weight_decay: float = Field(1e-4, ge=0, le=1)
    augmentation: Augmentation = Augmentation()


DEFAULT_SETTINGS: Final[dict[Start, FitSettings]] = {
    "random": FitSettings(epochs=120, patience=16, learning_rate=2e-3, batch_size=32),
    "pretrained": FitSettings(epochs=60, patience=8, learning_rate=3e-4, batch_size=32),
    "warm": FitSettings(epochs=40, patience=6, learning_rate=2e-4, batch_size=32),
    "head_only": FitSettings(epochs=200, patience=10, learning_rate=2e-3, batch_size=128, augmentation=NO_AUGMENTATION),
}


class TrainingChoices(_Frozen):
    """What one may choose of a run. What is left None takes the default of the start or the project."""

    start: Start
    purpose: Purpose = "normal"
    trunk: str | None = None
    input_size: int | None = None
    parent_version_id: int | None = Field(None, ge=1, le=2**62)
    lower: int | None = Field(None, ge=1)
    upper: int | None = Field(None, ge=1)
    include_small: bool = False
    view_id: int | None = Field(None, ge=1, le=2**62)
    epochs: int | None = Field(None, ge=1, le=MOST_EPOCHS)
    patience: int | None = Field(None, ge=1, le=MOST_EPOCHS)
    learning_rate: float | None = Field(None, ge=1e-8, le=1)
    batch_size: int | None = Field(None, ge=1, le=4096)
    dropout: float | None = Field(None, ge=0, le=0.9)
    label_smoothing: float | None = Field(None, ge=0, le=0.5)
    weight_decay: float | None = Field(None, ge=0, le=1)
    augmentation: Augmentation | None = None
    seed: int = Field(0, ge=0, le=2**31 - 1)
    then_identify: bool = False
    again: bool = False

    def settings(self) -> FitSettings:
        """The whole settings of the loop: what was given over the defaults of the start."""
        default = DEFAULT_SETTINGS[self.start]
        given = {name: getattr(self, name) for name in FitSettings.model_fields}
        whole = default.model_copy(update={name: value for name, value in given.items() if value is not None})
        if not self.include_small:
            return whole
        kept_large = whole.augmentation.model_copy(update={"zoom_out": False})
        return whole.model_copy(update={"augmentation": kept_large})


class TrainingRequest(TrainingChoices):
    """A training run as somebody asks for it."""

    project_id: int
    created_by: int | None = None


@dataclass(frozen=True, slots=True)
class TrainingDefaults:
    """The run that the page proposes."""

    start: Start
    trunk: str
    input_size: int
    parent: VersionRef | None
    lower: int
    upper: int
    throwaway_lower: int


@dataclass(frozen=True)
class TrainingJob:
    """All that the worker needs to know of a run."""

    run_id: int
    project_id: int
    throwaway: bool
    snapshot_id: int
    start: str
    trunk: str
    input_size: int
    fit: Json
    """Arguments of the training loop, as `worker.learning.config.FitConfig.from_json` takes them."""
    normal_lower: int
    manifest: Manifest
    parent: VersionRef | None
    parent_classes: dict[int, str]
    """Classes of the parent by id; empty without one."""
    snapshot_difference: Json
    """Images added, removed and kept since the parent's snapshot; empty without one."""


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """One finished epoch, counted from 1."""

    number: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float
    images_per_second: float
    is_best: bool

    def values(self) -> dict[str, Any]:
        """Columns of the epoch table."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class MadeArtifacts:
    """What a run left in storage: names in the folder "artifacts", and how it went."""

    trunk_id: int
    head_file: str
    head_digest: str
    step0_trunk_digest: str
    trunk_digest: str
    history: tuple[EpochFigures, ...]
    best_epoch: int
    seconds: float
    images_per_second: float
    monitored: str
    parity: Json
    notes: tuple[str, ...]
