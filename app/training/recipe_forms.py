"""The form of a recipe, and the choices it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from app.core.database import Json
from app.core.errors import NotFound
from app.runs.queries import run_view
from app.training.fit_settings import Start, settings_without_use
from app.training.models import TrainingRun
from app.training.recipe_schemas import RecipeSpec
from app.training.schemas import Purpose, TrainingChoices
from app.web.forms import parsed, refusal

_WITH_PARENT: Final = frozenset({"warm", "head_only"})


class _Shown(BaseModel):
    """The settings of a run that the form shows; the rest stays as the recipe has it."""

    model_config = ConfigDict(frozen=True)

    start: Start
    purpose: Purpose = "normal"
    trunk: str | None = None
    input_size: int | None = None
    lower: int | None = Field(None, ge=1)
    upper: int | None = Field(None, ge=1)
    include_small: bool = False
    view_id: int | None = Field(None, ge=1, le=2**62)
    epochs: int | None = None
    patience: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int = 0
    then_identify: bool = False


class RecipeForm(_Shown):
    """What the page sends. `parent`: none, newest, production, or the id of a version."""

    name: str
    parent: str = "newest"
    trigger: str = "hand"
    new_labels: int | None = None
    every: str = "day"
    every_hours: int | None = None
    at_hour: int | None = None
    weekday: int | None = None


def spec_from(form: Mapping[str, Any], kept: TrainingChoices | None) -> RecipeSpec:
    """The recipe that was sent; settings that the form does not show come from `kept`. Raises InvalidInput.

    What the chosen trigger or start has no use for is passed over.
    """
    sent = parsed(RecipeForm, form)
    chosen = _choices(sent, kept)
    timing: Json = {}
    if sent.trigger == "labels":
        timing = {"new_labels": sent.new_labels}
    elif sent.trigger == "schedule":
        needed = {"hours": ("every_hours",), "day": ("at_hour",), "week": ("at_hour", "weekday")}
        timing = {"every": sent.every, **{name: getattr(sent, name) for name in needed.get(sent.every, ())}}
    has_parent = sent.start in _WITH_PARENT and sent.parent != "none"
    parent = "version" if sent.parent.isdigit() else sent.parent
    values = {
        "name": sent.name,
        "choices": chosen,
        "parent": parent if has_parent else "none",
        "trigger": sent.trigger,
        **timing,
    }
    try:
        return RecipeSpec.model_validate(values)
    except ValidationError as error:
        raise refusal(error) from error


def _choices(sent: RecipeForm, kept: TrainingChoices | None) -> Json:
    shown = {name: getattr(sent, name) for name in _Shown.model_fields}
    idle = set(settings_without_use(sent.start, kept)) if kept else set()
    rest = kept.model_dump(exclude={*_Shown.model_fields, "parent_version_id", "again", *idle}) if kept else {}
    has_parent = sent.start in _WITH_PARENT and sent.parent != "none"
    if has_parent:
        shown["trunk"] = None
    chosen = int(sent.parent) if has_parent and sent.parent.isdigit() else None
    return {**rest, **shown, "parent_version_id": chosen}


def choices_of_run(session: Session, run_id: int, project_id: int) -> TrainingChoices:
    """What a training run of this project was asked for, so that a recipe can ask again. Raises NotFound."""
    run_view(session, run_id, project_id)
    asked = session.get(TrainingRun, run_id)
    if asked is None:
        raise NotFound(f"run {run_id} is no training run")
    whole = {**asked.config, **asked.config["fit"]}
    given = {name: whole[name] for name in TrainingChoices.model_fields if name in whole}
    if asked.parent_version_id is not None:
        given |= {"trunk": None, "input_size": None}
    choices: TrainingChoices = TrainingChoices.model_validate(given)
    return choices


def other_settings(choices: TrainingChoices) -> dict[str, object]:
    """Settings of a recipe that its form does not show, by name."""
    rest = choices.model_dump(exclude={*_Shown.model_fields, "parent_version_id", "again"}, exclude_defaults=True)
    return {name: value for name, value in rest.items() if value not in ({}, None)}
