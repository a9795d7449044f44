"""What identification takes: a selection of images, a filter over results, an acceptance. All closed lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.core.database import Json
from app.core.errors import InvalidInput
from app.library.selection import Selection as Chosen

MAX_ID = 2**63 - 1
MAX_ACCEPTED = 10_000

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
SelectionKind = Literal["pool", "unknown", "filter", "ids"]
ViewName = Literal["all", "candidates", "low_counts", "replace", "look_alikes", "unknowns", "lowest"]
StateChoice = Literal["open", "pool", "unknown", "labelled", "any"]


class Selection(BaseModel):
    """Which images a job identifies: the pool, the unknowns, a library filter's query, or a stored list of ids."""

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
    kind: Literal["pool", "unknown", "filter"] = "pool"
    query: str = Field("", max_length=2000)


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


class ResultFilter(BaseModel):
    """What of a job's results a page shows. The list of fields is closed: nothing else can be asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: ViewName = "all"
    class_id: Id | None = None
    low: Share = 0.0
    high: Share = 1.0
    margin_low: Share = 0.0
    margin_high: Share = 1.0
    state: StateChoice = "open"
    sort: Literal["confident", "doubtful"] = "confident"

    @classmethod
    def from_query(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """The filter of a URL. Raises InvalidInput, in the same words whatever field was asked for that is none."""
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in cls.model_fields or name in values:
                raise InvalidInput(
                    f"results are filtered by {', '.join(cls.model_fields)}, each at most once", code="invalid_filter"
                )
            if value != "":
                values[name] = value
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            names = sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]})
            raise InvalidInput(f"not a value for the filter by {', '.join(names)}", code="invalid_filter") from error

    def to_query(self, **changes: object) -> str:
        """The query of a URL, defaults left out; `changes` replace fields (None: back to the default)."""
        defaults = type(self).model_fields
        chosen: Mapping[str, object] = self.model_dump() | changes
        return urlencode(
            {
                name: value
                for name, value in chosen.items()
                if value is not None and value != (defaults[name].default if name in defaults else None)
            }
        )
