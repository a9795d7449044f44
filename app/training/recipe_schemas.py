"""What a recipe is: which training it asks for, from which version, and what starts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.core.database import Json
from app.projects.schemas import tidy_name
from app.training.schemas import TrainingChoices

Parent = Literal["none", "newest", "production", "version"]
Trigger = Literal["hand", "labels", "schedule"]
Every = Literal["hours", "day", "week"]
Why = Literal["hand", "labels", "schedule"]

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_HOURS: Final = 24 * 31
LONGEST_NAME: Final = 80
TIMING: Final = ("every", "every_hours", "at_hour", "weekday")
_WITH_PARENT: Final = frozenset({"warm", "head_only"})


class RecipeSpec(BaseModel):
    """A recipe as somebody writes it. Hours and weekdays (0: Monday) are in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(tidy_name)]
    choices: TrainingChoices
    parent: Parent = "newest"
    trigger: Trigger = "hand"
    new_labels: int | None = Field(None, ge=1, le=1_000_000)
    every: Every | None = None
    every_hours: int | None = Field(None, ge=1, le=MOST_HOURS)
    at_hour: int | None = Field(None, ge=0, le=23)
    weekday: int | None = Field(None, ge=0, le=6)

    @model_validator(mode="after")
    def _fits(self) -> RecipeSpec:
        if self.parent in {"newest", "production"} and self.choices.start not in _WITH_PARENT:
            raise ValueError("a start from scratch or from a pretrained trunk has no earlier version")
        if self.parent == "none" and self.choices.start == "warm":
            raise ValueError("a warm start needs an earlier version: the newest, the one in production or a chosen one")
        if self.choices.snapshot_id is not None:
            raise ValueError("a recipe freezes its snapshot anew at each start: it names none")
        if (self.parent == "version") != (self.choices.parent_version_id is not None):
            raise ValueError("an earlier version is named exactly where the recipe starts from a chosen one")
        needed = self._needed()
        given = {name for name in ("new_labels", "every", "every_hours", "at_hour", "weekday") if self._has(name)}
        if missing := sorted(needed - given):
            raise ValueError(f"this trigger also needs {', '.join(name.replace('_', ' ') for name in missing)}")
        if surplus := sorted(given - needed):
            raise ValueError(f"this trigger has no {', '.join(name.replace('_', ' ') for name in surplus)}")
        return self

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

    def _needed(self) -> set[str]:
        if self.trigger == "labels":
            return {"new_labels"}
        if self.trigger == "hand":
            return set()
        more = {"hours": {"every_hours"}, "day": {"at_hour"}, "week": {"at_hour", "weekday"}}
        return {"every", *(more[self.every] if self.every else ())}

    def timing(self) -> Json:
        """The schedule, as `next_time` takes it."""
        return {name: getattr(self, name) for name in TIMING}

    def columns(self) -> Json:
        """Columns of the recipe table."""
        return {**self.model_dump(exclude={"choices"}), "choices": self.choices.model_dump(mode="json")}


def next_time(
    at: datetime, *, every: str | None, every_hours: int | None, at_hour: int | None, weekday: int | None
) -> datetime:
    """The first time of a schedule after `at`, both aware and in UTC."""
    if every == "hours":
        return at + timedelta(hours=every_hours or 1)
    hour = at.replace(hour=at_hour or 0, minute=0, second=0, microsecond=0)
    step = timedelta(days=1)
    if every == "week":
        hour += timedelta(days=((weekday or 0) - hour.weekday()) % 7)
        step = timedelta(days=7)
    return hour if hour > at else hour + step


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the newest run of a recipe stands: `state` is that of a run, taken over training and all that follows it."""

    run_id: int
    state: str
    words: str
    at: datetime

    @property
    def is_open(self) -> bool:
        """Whether some of it still waits or runs."""
        return self.state in {"queued", "running"}


@dataclass(frozen=True, slots=True)
class RecipeView:
    """A recipe as its page shows it. `labels_since` counts new labels up to what starts it; None for other triggers."""

    id: int
    name: str
    spec: RecipeSpec
    is_paused: bool
    next_at: datetime | None
    labels_since: int | None
    last: Outcome | None
    held_reason: str | None
    held_at: datetime | None
    made_by: str | None
    changed_at: datetime
    is_followed: bool
    is_deleted: bool

    @property
    def trigger_words(self) -> str:
        """What starts it, in words; hours in UTC."""
        spec = self.spec
        if spec.trigger == "labels":
            return f"after {spec.new_labels:,} new labels"
        if spec.trigger == "hand":
            return "by hand"
        if spec.every == "hours":
            return "every hour" if spec.every_hours == 1 else f"every {spec.every_hours} hours"
        day = "day" if spec.every == "day" else WEEKDAYS[spec.weekday or 0]
        return f"every {day} at {spec.at_hour:02}:00 UTC"

    def to_public(self) -> Json:
        """For the JSON API."""
        last = self.last
        return {
            "id": self.id,
            **self.spec.model_dump(mode="json"),
            "is_paused": self.is_paused,
            "next_at": self.next_at.isoformat() if self.next_at else None,
            "labels_since": self.labels_since,
            "last_run_id": last.run_id if last else None,
            "last_state": last.state if last else None,
            "held_reason": self.held_reason,
            "held_at": self.held_at.isoformat() if self.held_at else None,
        }
