"""What identification takes: a selection of images, a filter over results, an acceptance. All closed lists."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.database import Json
from app.identification.result_filter import MAX_ID, Id, ResultFilter, Share, StateChoice, ViewName
from app.library.selection import Selection as Chosen

__all__ = [
    "MAX_ACCEPTED",
    "MAX_ID",
    "AcceptRequest",
    "ChosenRequest",
    "Id",
    "IdentifyRequest",
    "ResultFilter",
    "Selection",
    "SelectionKind",
    "Share",
    "StateChoice",
    "ViewName",
]

MAX_ACCEPTED = 10_000

SelectionKind = Literal["pool", "unknown", "open", "filter", "ids"]


class Selection(BaseModel):
    """Which images a job identifies: pool, unknowns, both (open), a library filter's query, or a stored list of ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: SelectionKind = "pool"
    query: str = Field("", max_length=8000)
    file: str = Field("", max_length=128)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.kind == "ids" and not self.file:
            raise ValueError("a list of ids is stored in a file first")
        return self

    def to_parameters(self) -> Json:
        """As a run's parameters hold it."""
        return self.model_dump(exclude_defaults=True) | {"kind": self.kind}


class IdentifyRequest(BaseModel):
    """The form that starts a job. Without a version, the one in production."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version_id: Id | None = None
    kind: Literal["pool", "unknown", "open", "filter"] = "pool"
    query: str = Field("", max_length=2000)

    @property
    def selection(self) -> Selection:
        """The images that are meant."""
        return Selection(kind=self.kind, query=self.query if self.kind == "filter" else "")


class JobRequest(IdentifyRequest):
    """The same, sent by a program: what would be ignored is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        if self.query and self.kind != "filter":
            raise ValueError("a query goes with the kind filter alone")
        return self


class ChosenRequest(BaseModel):
    """Images that somebody chose in a grid, to be identified by the version in production unless another is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    selection: Chosen
    version_id: Id | None = None


class AcceptRequest(BaseModel):
    """Images whose predicted class becomes their label. `versions` are the label versions the page showed.

    With a `class_id` they are candidates for that class, whatever the head alone would say first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_ids: list[Id] = Field(min_length=1, max_length=MAX_ACCEPTED)
    class_id: Id | None = None
    versions: dict[Id, Annotated[int, Field(ge=0, le=MAX_ID)]] = Field(default_factory=dict)
    request_key: Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9:_-]+$")] | None = None
