"""Which judged images are wanted: read from an address, written back into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.errors import InvalidInput

Show = Literal["all", "wrong", "right"]
Outcome = Literal["fixed", "broken", "still_wrong", "still_right"]
ClassKey = Annotated[int, Field(ge=0, le=2**62)]
SUBSET_PATTERN = r"^(test|validation|train|benchmark:[1-9][0-9]{0,17})$"


class JudgedFilter(BaseModel):
    """Judged images of one subset; fields that are set are combined by "and".

    `true` 0: images of no class that the version knows. `class_id`: truly or predicted as that class. `outcome` is that
    of this version against the one of the number `against`; without `outcome`, `against` only shows what that one said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subset: Annotated[str, Field(pattern=SUBSET_PATTERN)] = "test"
    show: Show = "all"
    true: ClassKey | None = None
    predicted: ClassKey | None = None
    class_id: ClassKey | None = None
    against: ClassKey | None = None
    outcome: Outcome | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The filter in an address's query; other parameters and empty values are passed over. Raises InvalidInput."""
        try:
            return cls.model_validate({name: query[name] for name in cls.model_fields if query.get(name)})
        except ValidationError as error:
            names = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors()}))
            raise InvalidInput(f"these filters have values that are not allowed: {names}") from error

    def address(self, path: str, **changes: object) -> str:
        """`path` with this filter, defaults left out; `changes` replace fields or add parameters, None removes."""
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        wanted = self.model_dump() | changes
        query = {name: value for name, value in wanted.items() if value is not None and value != defaults.get(name)}
        return f"{path}?{urlencode(query)}" if query else path
