"""What a training run can be asked to do: one source for pages, API, command, studies and the training engine."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

Start = Literal["random", "pretrained", "warm", "head_only"]
Balance = Literal["none", "class_weights", "sampling"]
Precision = Literal["float32", "mixed"]
ClassId = Annotated[int, Field(ge=0, le=2**62)]

MOST_EPOCHS: Final = 10_000
MOST_CLASSES_WITHOUT_FLIP: Final = 10_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Augmentation(_Frozen):
    """Random changes to training images; zero (or false) switches one off."""

    flip: bool = Field(title="Mirror left and right", default=True, description="Left-right, half of the time.")
    rotate_degrees: float = Field(
        title="Turn by at most, degrees", default=10.0, ge=0, le=45, description="Largest turn to either side."
    )
    zoom: float = Field(
        title="Zoom", default=0.1, ge=0, le=0.5, description="Largest share to come nearer or go further away."
    )
    zoom_out: bool = Field(
        title="Zoom out too",
        default=True,
        description="Off: zoom only comes nearer, so that small subjects stay as large.",
    )
    brightness: float = Field(
        title="Brightness", default=0.1, ge=0, le=0.5, description="Largest shift as a share of the full range."
    )
    contrast: float = Field(
        title="Contrast", default=0.1, ge=0, le=0.9, description="Largest change of the factor around 1."
    )
    no_flip: tuple[ClassId, ...] = Field(
        title="Never mirrored",
        default=(),
        max_length=MOST_CLASSES_WITHOUT_FLIP,
        description="Classes that are never flipped, because a mirror image means something else (left and right"
        " arrows): ids of classes; the training engine gets their positions.",
    )

    @property
    def is_active(self) -> bool:
        """Whether any change is made at all."""
        return self.flip or any((self.rotate_degrees, self.zoom, self.brightness, self.contrast))


NO_AUGMENTATION: Final = Augmentation(flip=False, rotate_degrees=0, zoom=0, brightness=0, contrast=0)


class FitSettings(_Frozen):
    """How the loop trains: each value may be given, and has a default by start (`DEFAULT_SETTINGS`)."""

    epochs: int = Field(
        title="Most epochs", ge=1, le=MOST_EPOCHS, description="The most epochs; early stopping usually ends sooner."
    )
    patience: int = Field(
        title="Epochs without gain",
        ge=1,
        le=MOST_EPOCHS,
        description="Epochs without a better loss before training stops; the learning rate is cut at half of it.",
    )
    learning_rate: float = Field(
        title="Learning rate", ge=1e-8, le=1, description="The rate after the warm-up, of the head."
    )
    batch_size: int = Field(title="Batch size", ge=1, le=4096, description="Images in a step.")
    dropout: float = Field(
        title="Dropout", default=0.2, ge=0, le=0.9, description="Share of the embedding left out in each step."
    )
    label_smoothing: float = Field(
        title="Label smoothing", default=0.1, ge=0, le=0.5, description="Share of certainty taken from each label."
    )
    weight_decay: float = Field(
        title="Weight decay", default=1e-4, ge=0, le=1, description="Decay of kernels (AdamW), not of biases."
    )
    warmup_epochs: int = Field(
        title="Warm-up epochs", default=0, ge=0, le=50, description="Epochs in which the learning rate rises from 0."
    )
    discriminative_rate: float = Field(
        title="Learning rate at the stem",
        default=1.0,
        gt=0,
        le=1,
        description="The learning rate at the stem as a share of the head's, geometric by depth between; 1: equal.",
    )
    unfreeze_epochs: int = Field(
        title="Epochs of thawing",
        default=0,
        ge=0,
        le=1000,
        description="Epochs over which the trunk thaws from the top down, the head alone learning first; 0: at once.",
    )
    balance: Balance = Field(
        title="Balance of classes",
        default="none",
        description="What evens out classes of unequal size: weights in the loss, or rare images seen more often.",
    )
    mixup: float = Field(
        title="Mixup", default=0.0, ge=0, le=2, description="Alpha of mixup: pairs of images blended; 0: off."
    )
    cutmix: float = Field(
        title="Cutmix", default=0.0, ge=0, le=2, description="Alpha of cutmix: a part of another image; 0: off."
    )
    ema: float = Field(
        title="Moving average of weights",
        default=0.0,
        ge=0,
        le=0.9999,
        description="Memory of the moving average of the weights, which is then what is validated and kept; 0: off.",
    )
    accumulate: int = Field(
        title="Batches in a step", default=1, ge=1, le=64, description="Batches whose gradients make one step together."
    )
    precision: Precision = Field(
        title="Precision",
        default="float32",
        description="mixed: computes in bfloat16 on a CPU and float16 on a GPU; weights and scores stay float32.",
    )
    keep_output: bool = Field(
        title="Keep output weights",
        default=False,
        description="Warm start: the output weights of classes that stay are kept, not drawn anew.",
    )
    settle_head: bool = Field(
        title="Settle the head first",
        default=False,
        description="The new head is fitted to the trunk as it is before all weights learn together: one look at each"
        " training image.",
    )
    teacher_share: float = Field(
        title="Share of the teacher",
        default=0.0,
        ge=0,
        le=1,
        description="How much of a labelled image's target is the teacher's answer; unlabelled ones have it alone.",
    )
    teacher_temperature: float = Field(
        title="Softness of the teacher",
        default=2.0,
        ge=1,
        le=20,
        description="Temperature that the teacher's answers are softened by; 1: as they are.",
    )
    views: int = Field(
        title="Augmented views",
        default=0,
        ge=0,
        le=8,
        description="Head only: augmented views of each training image, embedded once; 0: off.",
    )
    augmentation: Augmentation = Augmentation()


DEFAULT_SETTINGS: Final[dict[Start, FitSettings]] = {
    "random": FitSettings(epochs=120, patience=16, learning_rate=2e-3, batch_size=32),
    "pretrained": FitSettings(epochs=60, patience=8, learning_rate=3e-4, batch_size=32),
    "warm": FitSettings(epochs=40, patience=6, learning_rate=2e-4, batch_size=32, settle_head=True),
    "head_only": FitSettings(epochs=200, patience=10, learning_rate=2e-3, batch_size=128, augmentation=NO_AUGMENTATION),
}

WITHOUT_USE: Final[dict[Start, tuple[str, ...]]] = {
    "random": ("unfreeze_epochs", "keep_output", "settle_head", "views"),
    "pretrained": ("keep_output", "views"),
    "warm": ("views",),
    "head_only": (
        "discriminative_rate",
        "unfreeze_epochs",
        "mixup",
        "cutmix",
        "precision",
        "keep_output",
        "settle_head",
        "teacher_share",
    ),
}
"""What a start cannot make use of, and so does not accept: random weights must all learn, a head alone has no depth."""


def settings_without_use(start: Start, given: FitSettings | GivenSettings) -> list[str]:
    """Names of settings that are switched on although `start` has no use for them."""
    off = {name: field.default for name, field in FitSettings.model_fields.items()}
    return [name for name in WITHOUT_USE[start] if getattr(given, name) not in (None, off[name])]


def _all_optional(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of `model` with the same ranges, each of which may be left out (None)."""
    return {
        name: (
            Annotated[field.annotation, Field(title=field.title, description=field.description), *field.metadata]
            | None,
            None,
        )
        for name, field in model.model_fields.items()
    }


class GivenSettings(create_model("_GivenSettings", __base__=_Frozen, **_all_optional(FitSettings))):  # type: ignore[misc]  # generated from FitSettings
    """`FitSettings` with every value optional: what was given; the rest takes the default of the start."""

    def over(self, default: FitSettings) -> FitSettings:
        """What was given, over `default`."""
        given = {name: getattr(self, name) for name in FitSettings.model_fields}
        return default.model_copy(update={name: value for name, value in given.items() if value is not None})


class GivenAugmentation(create_model("_GivenAugmentation", __base__=_Frozen, **_all_optional(Augmentation))):  # type: ignore[misc]  # generated from Augmentation
    """`Augmentation` with every value optional, for a form whose fields are flat."""
