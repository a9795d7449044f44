"""The form of a new study: a training run's basics, and for each setting whether and where it is searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.errors import InvalidInput
from app.studies.schemas import MOST_AT_ONCE, MOST_TRIALS, SEARCHABLE, Dimension, Objective, StudyRequest, Value
from app.training.fit_settings import Start
from app.training.schemas import TrainingChoices
from app.web.forms import parsed, refusal

_WORDS: dict[str, Value] = {"true": True, "false": False}


class StudyForm(BaseModel):
    """The plain fields; those of each setting are read by `dimensions`."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1, max_length=100)
    start: Start = "head_only"
    trunk: str | None = None
    input_size: int | None = None
    parent_version_id: int | None = Field(None, ge=1, le=2**62)
    epochs: int | None = Field(None, ge=1, le=10_000)
    snapshot_id: int | None = Field(None, ge=1, le=2**62)
    objective: Objective = "validation_accuracy"
    most_trials: int = Field(20, ge=2, le=MOST_TRIALS)
    most_hours: float | None = Field(None, gt=0, le=10_000)
    at_once: int = Field(1, ge=1, le=MOST_AT_ONCE)
    prunes: bool = False
    seed: int = Field(0, ge=0, le=2**31 - 1)


def to_request(form: Mapping[str, Any]) -> StudyRequest:
    """The request that a form makes. Raises InvalidInput."""
    sent = parsed(StudyForm, form)
    has_parent = sent.start in {"warm", "head_only"} and sent.parent_version_id is not None
    keeps_size = sent.start == "head_only" and has_parent
    try:
        base = TrainingChoices(
            start=sent.start,
            trunk=None if has_parent else sent.trunk,
            input_size=None if keeps_size else sent.input_size,
            parent_version_id=sent.parent_version_id if has_parent else None,
            snapshot_id=sent.snapshot_id,
            epochs=sent.epochs,
        )
        plain = sent.model_dump(include={"name", "objective", "most_trials", "most_hours", "at_once", "prunes", "seed"})
        return StudyRequest(base=base, space=dimensions(form), **plain)
    except ValidationError as error:
        raise refusal(error) from error


def dimensions(form: Mapping[str, Any]) -> tuple[Dimension, ...]:
    """What the form searches. Raises InvalidInput for an end or a choice that cannot be read."""
    found = []
    for name, each in SEARCHABLE.items():
        if form.get(f"search.{name}") != "true":
            continue
        proposed = each.dimension
        if proposed.kind == "choice":
            words = [word.strip() for word in str(form.get(f"choices.{name}", "")).split(",") if word.strip()]
            changed: dict[str, Any] = {"choices": tuple(_choice(name, word, proposed.choices) for word in words)}
        else:
            changed = {end: _number(name, end, form.get(f"{end}.{name}", "")) for end in ("low", "high")}
        try:
            found.append(Dimension.model_validate({**proposed.model_dump(), **changed}))
        except ValidationError as error:
            raise refusal(error) from error
    if not found:
        raise InvalidInput("A study searches at least one setting; none was chosen.")
    return tuple(found)


def _number(name: str, end: str, word: Any) -> float:
    try:
        return float(str(word))
    except ValueError:
        raise InvalidInput(
            f"The {end} end of {SEARCHABLE[name].title} is a number; received {str(word)[:50]!r}."
        ) from None


def _choice(name: str, word: str, proposed: tuple[Value, ...]) -> Value:
    """A word as the kind of value that the proposed choices are."""
    first = proposed[0]
    try:
        if isinstance(first, bool):
            return _WORDS[word.lower()]
        return type(first)(word)
    except (KeyError, ValueError):
        raise InvalidInput(f"A choice of {SEARCHABLE[name].title} is like {first}; received {word[:50]!r}.") from None
