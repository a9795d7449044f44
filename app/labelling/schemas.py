"""What labelling takes and gives back: changes, results, and the requests of its pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.library.models import NOT_GOOD_REASONS
from app.library.selection import Selection

MAX_IMAGES = 10_000
MAX_ID = 2**63 - 1
SKIPPED_SHOWN = 100
MAX_NAME = 120
MAX_NOTE = 10_000
MAX_ALIASES = 20

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
RequestKey = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9:_-]+$")]


class Unset(Enum):
    """The type of UNSET: "leave it as it is", where None means "nothing"."""

    UNSET = "unset"


UNSET = Unset.UNSET


class Act(StrEnum):
    """What one may do to images from the labelling screen or a grid."""

    LABEL = "label"
    UNKNOWN = "unknown"
    NONE = "none"
    NOT_GOOD = "not_good"
    GOOD = "good"
    REMOVE = "remove"
    RESTORE = "restore"
    ROTATE = "rotate"
    POOL = "pool"
    SMALL_SUBJECT = "small_subject"
    NOT_SMALL_SUBJECT = "not_small_subject"


@dataclass(frozen=True, slots=True)
class Change:
    """What one image shall become. UNSET leaves a field as it is.

    A class without a sub-class keeps the sub-class where the class stays the same. A stale `expected_version` leaves
    the image untouched and reports it.
    """

    image_id: int
    to_state: str | Unset = UNSET
    class_id: int | Unset | None = UNSET
    sub_class_id: int | Unset | None = UNSET
    quality: str | Unset | None = UNSET
    rotation: int | Unset = UNSET
    is_small_subject: bool | Unset = UNSET
    expected_version: int | None = None
    suggested_by_version_id: int | None = None
    suggestion_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that an act left untouched: why, who changed it last, what it is now, its label version now."""

    image_id: int
    why: str
    by: str | None = None
    now: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What an act did; what already was as wanted counts nowhere.

    `skipped` holds the first SKIPPED_SHOWN of `skipped_count`.
    """

    action_id: int
    changed: int
    skipped: list[Skipped] = field(default_factory=list)
    skipped_count: int = 0


class SuggestionUsed(BaseModel):
    """The version whose suggestion was accepted, and its confidence (0..1) by image id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version_id: Id
    confidences: dict[Id, Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]] = {}


class LabelRequest(BaseModel):
    """One act on some images, as pages and scripts send it: `image_ids`, or a `selection` by filter or ids.

    `versions` are the label versions that the page showed. Of images chosen by a filter, those that somebody else
    changed since the selection's `seen_at` stay as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_ids: list[Id] | None = Field(None, min_length=1, max_length=MAX_IMAGES)
    selection: Selection | None = None
    act: Act
    class_id: Id | None = None
    sub_class_id: Id | None = None
    reason: str | None = None
    how: Literal["manual", "grid", "bulk", "accepted_suggestion"] = "manual"
    versions: dict[Id, Annotated[int, Field(ge=0, le=MAX_ID)]] = {}
    request_key: RequestKey | None = None
    suggestion: SuggestionUsed | None = None

    @model_validator(mode="after")
    def _fits_the_act(self) -> LabelRequest:
        if (self.image_ids is None) == (self.selection is None):
            raise ValueError("an act takes either image_ids or a selection")
        if (self.act is Act.LABEL) != (self.class_id is not None):
            raise ValueError("class_id is needed for the act 'label', and for no other")
        if self.sub_class_id is not None and self.class_id is None:
            raise ValueError("sub_class_id needs class_id")
        if (self.act is Act.NOT_GOOD) != (self.reason is not None):
            raise ValueError("reason is needed for the act 'not_good', and for no other")
        if self.reason is not None and self.reason not in NOT_GOOD_REASONS:
            raise ValueError(f"reason must be one of {', '.join(NOT_GOOD_REASONS)}")
        return self


class OneImageForm(BaseModel):
    """One act on one image from a plain form, for browsers without scripts. `label` is "class" or "class:sub-class"."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image_id: Id
    version: int = Field(ge=0, le=MAX_ID)
    act: Act
    label: str = Field("", pattern=r"^(\d{1,18}(:\d{1,18})?)?$")
    reason: str = Field("", max_length=40)

    def request(self) -> LabelRequest:
        """The same as scripts send it."""
        class_id, _, sub_class_id = self.label.partition(":")
        label = {"class_id": class_id or None, "sub_class_id": sub_class_id or None} if self.act is Act.LABEL else {}
        reason = {"reason": self.reason} if self.act is Act.NOT_GOOD else {}
        versions = {self.image_id: self.version}
        return LabelRequest.model_validate(
            {"image_ids": [self.image_id], "act": self.act, "versions": versions, **label, **reason}
        )
