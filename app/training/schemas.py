"""What may be asked of a training run, with defaults that need no thought, and what the run reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from app.core.database import Json
from app.datasets.schemas import Manifest
from app.registry.schemas import VersionRef
from app.training.fit_settings import (
    DEFAULT_SETTINGS,
    Augmentation,
    FitSettings,
    GivenSettings,
    Start,
    settings_without_use,
)

Purpose = Literal["normal", "throwaway"]

START_TITLES: Final[dict[str, str]] = {
    "head_only": "Head only",
    "warm": "Warm start",
    "pretrained": "Pretrained trunk",
    "random": "From scratch",
}
_THROWAWAY_SHARE: Final = 0.875
MOST_POOL_IMAGES: Final = 100_000
USUAL_TEACHER_SHARE: Final = 0.7


def throwaway_lower(lower_cutoff: int) -> int:
    """The lower cutoff that a throw-away run proposes: a little below the project's (40 → 35)."""
    return max(2, int(lower_cutoff * _THROWAWAY_SHARE))


class TrainingChoices(GivenSettings):
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
    snapshot_id: int | None = Field(None, ge=1, le=2**62)
    """A snapshot that was frozen before, in place of one of today: its cutoffs count, and none may be given."""
    teacher_version_id: int | None = Field(None, ge=1, le=2**62)
    """A version whose answers the run learns from, beside the labels (distillation)."""
    pool_images: int = Field(0, ge=0, le=MOST_POOL_IMAGES)
    """The newest images of the pool that the teacher alone answers for; they are training images from then on."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    then_identify: bool = False
    again: bool = False

    @model_validator(mode="after")
    def _every_setting_has_a_use(self) -> Self:
        if idle := settings_without_use(self.start, self):
            raise ValueError(f"A start of {self.start} has no use for {', '.join(idle)}: leave it out")
        given = [name for name in ("lower", "upper", "view_id") if getattr(self, name) is not None]
        if self.snapshot_id is not None and given:
            raise ValueError(f"A snapshot has its own images and cutoffs: leave out {', '.join(given)}")
        return self

    @model_validator(mode="after")
    def _a_teacher_is_used(self) -> Self:
        if self.teacher_version_id is None:
            if self.teacher_share or self.pool_images:
                raise ValueError("Learning from answers needs a teacher: choose its version")
        elif self.start == "head_only":
            raise ValueError("A student learns with all its weights: a start of head_only has no use for a teacher")
        elif self.pool_images and self.balance == "sampling":
            raise ValueError("Images of the pool have no class to balance by sampling: weigh the classes instead")
        return self

    def settings(self) -> FitSettings:
        """The whole settings of the loop: what was given over the defaults of the start."""
        whole = self.over(DEFAULT_SETTINGS[self.start])
        augmentation = whole.augmentation
        if whole.views and self.augmentation is None:
            augmentation = Augmentation()  # views that are all alike would teach nothing
        if self.include_small:
            augmentation = augmentation.model_copy(update={"zoom_out": False})
        changes: dict[str, Any] = {"augmentation": augmentation}
        if self.teacher_version_id is not None and self.teacher_share is None:
            changes["teacher_share"] = USUAL_TEACHER_SHARE
        return whole.model_copy(update=changes)


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
    teacher: VersionRef | None
    pool_images: int
    """How many images of the pool the teacher answers for, at most."""
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
class EpochDetails:
    """What an epoch's validation says by class and image; `EpochDetail` says what the lists hold."""

    number: int
    is_best: bool
    per_class: list[list[int]]
    mistakes: list[list[float]]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One notable thing that a run did."""

    at: datetime
    text: str
    level: Literal["info", "warning"] = "info"


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
    served_images_per_second: float
    """Of the exported trunk on this machine."""
    notes: tuple[str, ...]
