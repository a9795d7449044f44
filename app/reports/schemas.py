"""What reports are asked, and the one form in which every table leaves: as a page's table and as CSV alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.clock import now
from app.core.shares import Share

DEFAULT_DAYS: Final = 30
MOST_DAYS: Final = 366
EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)

Cell = str | int | float | date | Share | None
Kind = Literal["text", "count", "figure", "share", "percent", "ms"]


class ReportFilter(BaseModel):
    """Whole days in UTC, both ends included, and one version or all; without days, the last 30."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    first: Annotated[date | None, Field(alias="from", ge=EARLIEST, le=LATEST)] = None
    last: Annotated[date | None, Field(alias="to", ge=EARLIEST, le=LATEST)] = None
    version: Annotated[int, Field(ge=1, le=2**62)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.period.days > MOST_DAYS:
            raise ValueError(f"A report covers at most {MOST_DAYS} days")
        if self.period.last < self.period.first:
            raise ValueError("The first day may not come after the last")
        return self

    @property
    def period(self) -> Period:
        """The days that are meant."""
        last = self.last or max(now().date(), self.first or date.min)
        first = self.first or last - timedelta(days=DEFAULT_DAYS - 1)
        return Period(first, last)

    def to_query(self) -> dict[str, str]:
        """As parameters of an address, only those in force."""
        return {name: str(value) for name, value in self.model_dump(by_alias=True, exclude_none=True).items()}


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in UTC, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has; negative where the ends are in the wrong order."""
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.first, time.min, UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time.min, UTC)

    def each_day(self) -> list[date]:
        """Its days, in order."""
        return [self.first + timedelta(days=number) for number in range(self.days)]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading and how its cells are written."""

    word: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table with a name (its address ends in it), rows in the order in which they are shown."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
