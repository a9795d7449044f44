"""What a filter field is, and the closed list of them: every domain declares its own, `app.assembly.fields` joins them.

What is not declared cannot be filtered by: no name from a request ever becomes a column. A field has one operator: a
range is two fields (`sharpness_min`, `sharpness_max`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.library.models import Image, ImageMeasure

Value = str | int | float | bool
Values = tuple[Any, ...]
Choice = tuple[str, str]
Kind = Literal["choice", "yes_no", "number", "date", "text", "shape"]
Section = Literal["label", "picture", "origin", "groups", "metadata", "model", "data_sets"]
MOST_VALUES: Final = 200
_LARGEST_ID: Final = 2**62


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to filter by.

    `parse` makes a value of what stands in an address, or raises ValueError. `condition` is asked of each image that
    is looked at, so it must cost the same however large the library is. `ids` finds the images of a project by an
    index instead; None where no index answers these values. `in_order`: for a single value that index has them by id.
    """

    name: str
    title: Callable[[], str]
    section: Section
    parse: Callable[[str], Value]
    condition: Callable[[Values], ColumnElement[bool]]
    ids: Callable[[int, Values], Select[Any] | None] | None = None
    in_order: bool = False
    many: bool = False
    kind: Kind = "choice"
    choices: Callable[[Session, int], Sequence[Choice]] | None = None
    said: Callable[[str], str] | None = None
    """A value in words, where it is no choice."""


@dataclass(frozen=True, slots=True)
class Family:
    """Fields that a project has of its own, named by a prefix and a number: `make` gives the field of a number."""

    prefix: str
    make: Callable[[int], Field]
    numbers: Callable[[Session, int], Mapping[int, str]]
    """The numbers that a project has, with their titles."""


_fields: dict[str, Field] = {}
_families: dict[str, Family] = {}
_MEMBER: Final = re.compile(r"([a-z]+_)([1-9][0-9]{0,17})")


def declare(fields: Iterable[Field], families: Iterable[Family] = ()) -> None:
    """Take fields into the list. Raises ValueError for a name that is taken."""
    for field in fields:
        if field.name in _fields:
            raise ValueError(f"the filter field {field.name!r} is declared twice")
        _fields[field.name] = field
    _families.update({family.prefix: family for family in families})


def field_named(name: str) -> Field | None:
    """The field of this name, if it is on the list."""
    if name in _fields:
        return _fields[name]
    member = _MEMBER.fullmatch(name)
    family = _families.get(member[1]) if member else None
    return family.make(int(member[2])) if family and member else None


def fields() -> tuple[Field, ...]:
    """The declared fields, in their order; those of families come besides."""
    return tuple(_fields.values())


def own_fields(session: Session, project_id: int) -> list[tuple[Field, str]]:
    """The fields that this project has of its own, with their titles."""
    return [
        (family.make(number), title)
        for family in _families.values()
        for number, title in family.numbers(session, project_id).items()
    ]


def written(value: Any) -> str:
    """A value as it stands in an address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def one_of(*values: str) -> Callable[[str], str]:
    """A parser of a closed list of words."""

    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return parse


def yes_or_no(text: str) -> bool:
    """A parser of true and false."""
    if text.lower() in {"true", "1", "yes"}:
        return True
    if text.lower() in {"false", "0", "no"}:
        return False
    raise ValueError("true or false")


def number_id(text: str) -> int:
    """A parser of ids."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) > _LARGEST_ID:
        raise ValueError("a positive whole number")
    return int(text)


def number_between(low: float, high: float) -> Callable[[str], float]:
    """A parser of plain decimal numbers of a range, both ends allowed."""

    def parse(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"a number from {low} to {high}")
        return value

    return parse


def day(text: str) -> str:
    """A parser of dates, YYYY-MM-DD."""
    return date.fromisoformat(text).isoformat()


def text_up_to(characters: int) -> Callable[[str], str]:
    """A parser of free text."""

    def parse(text: str) -> str:
        tidy = text.strip()
        if not tidy or len(tidy) > characters or "\0" in tidy:
            raise ValueError(f"1 to {characters} characters")
        return tidy

    return parse


def is_any(column: InstrumentedAttribute[Any]) -> Callable[[Values], ColumnElement[bool]]:
    """The condition that a column has one of the values."""
    return lambda values: column == values[0] if len(values) == 1 else column.in_(values)


def at_least(column: InstrumentedAttribute[Any]) -> Callable[[Values], ColumnElement[bool]]:
    """The condition that a column is not below the value."""
    return lambda values: column >= values[0]


def at_most(column: InstrumentedAttribute[Any]) -> Callable[[Values], ColumnElement[bool]]:
    """The condition that a column is not above the value."""
    return lambda values: column <= values[0]


def in_project(project_id: int, *conditions: ColumnElement[bool]) -> Select[int]:
    """Ids of the project's images that meet conditions."""
    return select(Image.id).where(Image.project_id == project_id, *conditions)


def indexed(
    condition: Callable[[Values], ColumnElement[bool]], *of_index: ColumnElement[bool]
) -> Callable[[int, Values], Select[int]]:
    """Finds images by a condition that an index of (project, column) answers; `of_index` says which it holds."""
    return lambda project_id, values: in_project(project_id, condition(values), *of_index)


def flag(name: str, title: Callable[[], str], section: Section, column: InstrumentedAttribute[bool]) -> Field:
    """A field over a column that is true of few images, which an index of their own finds."""
    is_set = and_(column)

    def ids(project_id: int, values: Values) -> Select[int] | None:
        return in_project(project_id, is_set) if values[0] else None

    return Field(
        name,
        title,
        section,
        yes_or_no,
        lambda values: is_set if values[0] else ~is_set,
        ids,
        in_order=True,
        kind="yes_no",
    )


def limits(
    name: str,
    titles: tuple[Callable[[], str], Callable[[], str]],
    *,
    between: tuple[float, float],
) -> tuple[Field, Field]:
    """Two fields, `name_min` and `name_max`, over a measure of the image, which its row has and an index beside it."""
    column, measured = getattr(Image, name), getattr(ImageMeasure, name)
    parse, made = number_between(*between), []
    for end, title, compare in (("min", titles[0], at_least), ("max", titles[1], at_most)):
        found = by_measure(compare(measured))
        made.append(Field(f"{name}_{end}", title, "picture", parse, compare(column), found, kind="number"))
    return made[0], made[1]


def by_measure(condition: Callable[[Values], ColumnElement[bool]]) -> Callable[[int, Values], Select[int]]:
    """Finds images by a condition over what was measured of them, which an index of (project, measure) answers."""
    return lambda project_id, values: select(ImageMeasure.image_id).where(
        ImageMeasure.project_id == project_id, condition(values)
    )


def any_of(parts: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    """One of the conditions holds."""
    return or_(*parts)
