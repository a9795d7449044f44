"""The settings of one run: frozen, checked, and the same after a trip through JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from app.registry.trunks import TRUNKS
from app.training.fit_settings import DEFAULT_SETTINGS, FitSettings, Start, settings_without_use
from worker.learning.errors import ConfigInvalid


class FitConfig(FitSettings):
    """How to train: the settings that a person may choose, and what they are applied to.

    `default_config` gives sensible values for each start. Raises ConfigInvalid for an unknown trunk or start, a
    value outside its range, or one that the start has no use for.
    """

    model_config = ConfigDict(strict=True)

    trunk: str
    input_size: int
    start: Start
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigInvalid(_in_words(error)) from error

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.trunk not in TRUNKS:
            raise ValueError(f"trunk must be one of {', '.join(TRUNKS)}; got {self.trunk!r}")
        kind = TRUNKS[self.trunk]
        if self.input_size not in kind.allowed_input_sizes:
            sizes = ", ".join(str(size) for size in kind.allowed_input_sizes)
            raise ValueError(f"input_size of {kind.title} must be one of {sizes}; got {self.input_size}")
        if self.start == "pretrained" and kind.pretrained == "none":
            raise ValueError(f"{kind.title} has no pretrained weights: start it at random or warm")
        if idle := settings_without_use(self.start, self):
            raise ValueError(f"a start of {self.start} has no use for {', '.join(idle)}")
        return self

    def changed(self, **values: Any) -> Self:
        """With other values, checked anew."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **values})

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The config that `to_json` gave. Raises ConfigInvalid for unknown, missing or wrong values."""
        try:
            return cls.model_validate_json(json.dumps(values))
        except ValidationError as error:
            raise ConfigInvalid(_in_words(error)) from error


def default_config(trunk: str, start: Start, **changes: Any) -> FitConfig:
    """Sensible settings for `start` on `trunk`, with `changes` on top. Raises ConfigInvalid."""
    if trunk not in TRUNKS or start not in DEFAULT_SETTINGS:
        raise ConfigInvalid(f"There is no trunk {trunk!r} or no start {start!r}.")
    default = DEFAULT_SETTINGS[start]
    given = {name: getattr(default, name) for name in FitSettings.model_fields}
    whole = {"trunk": trunk, "input_size": TRUNKS[trunk].default_input_size, "start": start, **given}
    return FitConfig(**{**whole, **changes})


def _in_words(error: ValidationError) -> str:
    told = []
    for each in error.errors(include_url=False):
        rule = each["msg"].removeprefix("Value error, ")
        name = ".".join(str(part) for part in each["loc"])
        told.append(f"{name}: {rule[:1].lower()}{rule[1:]}; got {each['input']!r}" if name else rule)
    return "; ".join(told) + "."
