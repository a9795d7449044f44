"""The settings of a run as fields of a form: titles, explanations and ranges of `fit_settings`, groups from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from app.training.fit_settings import DEFAULT_SETTINGS, WITHOUT_USE, Augmentation, FitSettings

GROUPS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Optimisation", ("epochs", "patience", "learning_rate", "warmup_epochs", "batch_size", "accumulate")),
    ("Regularisation", ("dropout", "label_smoothing", "weight_decay", "mixup", "cutmix", "ema")),
    ("Augmentation", ("flip", "no_flip", "rotate_degrees", "zoom", "zoom_out", "brightness", "contrast", "views")),
    ("Which weights learn, and how fast", ("unfreeze_epochs", "discriminative_rate", "settle_head", "keep_output")),
    ("Classes of unequal size", ("balance",)),
    ("Learning from a teacher", ("teacher_share", "teacher_temperature")),
    ("Computing", ("precision",)),
)
"""Every setting in exactly one group (tested)."""
CHOICE_WORDS: Final = {
    "none": "leave as it is",
    "class_weights": "weights in the loss",
    "sampling": "rare images seen more often",
    "float32": "float32",
    "mixed": "mixed: faster on most GPUs",
}


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting as a form shows it."""

    name: str
    title: str
    hint: str
    kind: str
    """"whole", "number", "choice", "switch" or "classes"."""
    low: float | None
    """The smallest value, which may itself be out of reach (0 for a share that must be positive)."""
    high: float | None
    choices: tuple[tuple[str, str], ...]
    defaults: dict[str, Any]
    """The value that an empty field takes, by start."""
    without_use: tuple[str, ...]
    """The starts that cannot make use of it."""


def title_of(name: str) -> str:
    """A setting's title; other parts of a configuration in plain words."""
    info = FitSettings.model_fields.get(name) or Augmentation.model_fields.get(name)
    return (info.title if info else None) or name.replace("_", " ").capitalize()


def setting_groups() -> list[tuple[str, list[SettingField]]]:
    """Every setting by group, in the order in which the form shows them."""
    return [(title, [_field(name) for name in names]) for title, names in GROUPS]


def _field(name: str) -> SettingField:
    is_augmentation = name in Augmentation.model_fields
    info = (Augmentation if is_augmentation else FitSettings).model_fields[name]
    bounds = {type(each): each for each in info.metadata}
    low = bounds.get(Ge, bounds.get(Gt))
    return SettingField(
        name=name,
        title=info.title or name,
        hint=info.description or "",
        kind=_kind(info),
        low=getattr(low, "ge", getattr(low, "gt", None)),
        high=bounds[Le].le if Le in bounds else None,
        choices=tuple((value, CHOICE_WORDS.get(value, value)) for value in get_args(info.annotation))
        if _kind(info) == "choice"
        else (),
        defaults=_defaults(name, info, is_augmentation=is_augmentation),
        without_use=tuple(start for start, names in WITHOUT_USE.items() if name in names),
    )


def _kind(info: FieldInfo) -> str:
    kinds = {bool: "switch", int: "whole", float: "number"}
    if info.annotation in kinds:
        return kinds[info.annotation]
    return "classes" if str(info.annotation).startswith("tuple") else "choice"


def _defaults(name: str, info: FieldInfo, *, is_augmentation: bool) -> dict[str, Any]:
    """By start. The form's augmentation is the usual one even for head only, where it takes effect with views alone."""
    if is_augmentation:
        return dict.fromkeys(DEFAULT_SETTINGS, info.default)
    return {start: getattr(settings, name) for start, settings in DEFAULT_SETTINGS.items()}
