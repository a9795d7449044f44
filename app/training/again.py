"""A run's whole configuration as the address of the form filled in with it, to run it again with changes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from app.core.database import Json
from app.training.models import TrainingRun

_CHOSEN = (
    "purpose",
    "lower",
    "upper",
    "include_small",
    "view_id",
    "teacher_version_id",
    "pool_images",
    "then_identify",
)


def form_query(asked: TrainingRun) -> str:
    """The query of the form's address: every choice as it was, defaults included, so that none moves."""
    fit: Json = dict(asked.config["fit"])
    augmentation = fit.pop("augmentation", {})
    if asked.start == "head_only" and not fit.get("views"):
        augmentation = {"flip": True, "zoom_out": True}  # without use there: another start begins at its defaults
    values: Json = {**augmentation, **fit}
    values |= {name: asked.config.get(name) for name in _CHOSEN}
    values |= {"start": asked.start, "trunk": asked.trunk, "input_size": asked.input_size, "sent": True}
    values["parent_version_id"] = asked.parent_version_id or ""
    return urlencode({name: _text(value) for name, value in values.items() if value is not None}, doseq=True)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else ""
    return value
