"""The filter over a job's results: one closed list of fields, read from and written to the address of a page.

What the library can filter by stands in `query`, as the library writes it; the fields of the predictions are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.core.errors import InvalidInput
from app.library.filters import ImageFilter
from app.library.grammar import field_named

MAX_ID: Final = 2**63 - 1
KEPT_CLASSES: Final = 5

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**9)]
ViewName = Literal["all", "candidates", "low_counts", "replace", "look_alikes", "unknowns", "lowest"]
StateChoice = Literal["open", "pool", "unknown", "labelled", "any"]
Sort = Literal["confident", "doubtful", "margin", "entropy", "different", "unlike"]
Mix = Literal["real", "part", "most"]


class ResultFilter(BaseModel):
    """What of a job's results a page shows. The list of fields is closed: nothing else can be asked about.

    `class_id` is in first place, or among the first `top`. `labelled_low` and `labelled_high` bound how many labelled
    images the predicted class has; `mix` says what those are: real alone, staged or synthetic in part, or for the most
    part. `versus` is another job: its first class differs. `differs`: predicted other than (no: as) labelled. `like`
    are up to 20 images: their nearest, likest first. `query` is a filter of the library.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: ViewName = "all"
    class_id: Id | None = None
    top: Annotated[int, Field(ge=1, le=KEPT_CLASSES)] = 1
    low: Share = 0.0
    high: Share = 1.0
    margin_low: Share = 0.0
    margin_high: Share = 1.0
    entropy_low: Share = 0.0
    entropy_high: Share = 1.0
    labelled_low: Count | None = None
    labelled_high: Count | None = None
    mix: Mix | None = None
    versus: Id | None = None
    differs: Literal["yes", "no"] | None = None
    like: Annotated[str, Field(max_length=400, pattern=r"^[1-9][0-9]{0,17}(,[1-9][0-9]{0,17}){0,19}$")] | None = None
    query: Annotated[str, Field(max_length=2000)] = ""
    state: StateChoice = "open"
    sort: Sort = "confident"
    group: Literal["class", "cluster"] | None = None

    @field_validator("query")
    @classmethod
    def _is_a_filter(cls, query: str) -> str:
        """In one spelling, so that equal filters have equal addresses."""
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
        if query and (not names or any(field_named(name) is None for name in names)):
            raise ValueError("a filter of the library, as its address has it")
        try:
            return ImageFilter.stored(query).query_string()
        except InvalidInput as error:
            raise ValueError(error.message) from error

    @property
    def library(self) -> ImageFilter:
        """The library's part."""
        return ImageFilter.from_query(self.query)

    @property
    def like_ids(self) -> list[int]:
        """The images whose nearest are wanted."""
        return [int(part) for part in self.like.split(",")] if self.like else []

    @property
    def shown_state(self) -> StateChoice:
        """The state asked for: the library's where it names one; only labelled images differ from their label."""
        if self.query and self.library.values("state"):
            return "any"
        return "labelled" if self.differs and self.state == "open" else self.state

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

    def pairs(self, **changes: object) -> dict[str, object]:
        """The fields that are not at their defaults; `changes` replace fields (None: back to the default)."""
        defaults = type(self).model_fields
        chosen: Mapping[str, object] = self.model_dump() | changes
        return {
            name: value
            for name, value in chosen.items()
            if value is not None and value != (defaults[name].default if name in defaults else None)
        }

    def to_query(self, **changes: object) -> str:
        """The query of a URL, defaults left out; `changes` replace fields (None: back to the default)."""
        return urlencode(self.pairs(**changes))
