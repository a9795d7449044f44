"""What the page of look-alikes asks for and sends, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from app.labelling.queue import QueueImage
from app.labelling.schemas import MAX_ID, Id, RequestKey

PAGE_LIMIT: Final = 60
Place = Literal["all", "class", "cluster", "capture", "like"]
Confidence = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class View(BaseModel):
    """Among which waiting images to look: all, or a predicted class, a cluster, a capture group, the like of an image.

    `target` is the class, the cluster, the capture group or the image meant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Place = "all"
    target: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None

    @model_validator(mode="after")
    def _names_a_target(self) -> View:
        if (self.kind == "all") != (self.target is None):
            raise ValueError("target is needed for every kind but 'all', and for that one not at all")
        return self


class Supposed(BaseModel):
    """Images that the next page may take for labelled so: those of the page in front of the labeller."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_id: Id
    image_ids: list[Id] = Field(max_length=PAGE_LIMIT)


class PageRequest(BaseModel):
    """The next page, beside the images in hand (`have`); `since` is when the labeller's day began."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: View = View()
    size: int = Field(PAGE_LIMIT, ge=1, le=PAGE_LIMIT)
    one_class: bool = False
    have: list[Id] = Field(default=[], max_length=2 * PAGE_LIMIT)
    supposed: list[Supposed] = Field(default=[], max_length=PAGE_LIMIT)
    since: AwareDatetime | None = None


class Accepted(BaseModel):
    """An image that stays under its section's class: its label version as shown, and what the version thought."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id
    version: int = Field(ge=0, le=MAX_ID)
    confidence: Confidence | None = None


class AcceptedSection(BaseModel):
    """A class and the images that a labeller leaves under it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_id: Id
    sub_class_id: Id | None = None
    images: list[Accepted] = Field(min_length=1, max_length=PAGE_LIMIT)


class TakenOut(BaseModel):
    """An image that is not of the class it was shown under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: Id
    class_id: Id


class PageAnswer(BaseModel):
    """A labeller's answer to a page: what stays, what was taken out. `version_id` gave the confidences."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sections: list[AcceptedSection] = Field(default=[], max_length=PAGE_LIMIT)
    taken_out: list[TakenOut] = Field(default=[], max_length=PAGE_LIMIT)
    version_id: Id | None = None
    request_key: RequestKey

    @model_validator(mode="after")
    def _answers_a_page(self) -> PageAnswer:
        stays = [image.id for section in self.sections for image in section.images]
        shown = stays + [one.image_id for one in self.taken_out]
        if not 1 <= len(shown) <= PAGE_LIMIT:
            raise ValueError(f"an answer is to a page of 1 to {PAGE_LIMIT} images")
        if len(set(shown)) != len(shown):
            raise ValueError("an answer takes each image once")
        return self


@dataclass(frozen=True, slots=True)
class Proposed:
    """An image on a page: how sure we are of its section's class, and the production version where it agrees."""

    image: QueueImage
    sure: float
    version_confidence: float | None


@dataclass(frozen=True, slots=True)
class ProposedSection:
    """Images that look alike, and the class proposed for them (None: nothing is known yet)."""

    class_id: int | None
    class_name: str | None
    images: list[Proposed]
