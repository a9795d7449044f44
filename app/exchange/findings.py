"""What a look at an import found before anything of it was taken: a document, kept with the preview."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from app.exchange.mapping import Likeness

MOST_CLASSES: Final = 5_000
MOST_SUB_CLASSES: Final = 50
MOST_COLUMNS: Final = 100
MOST_PROBLEMS: Final = 100


class Found(BaseModel):
    """Base of all parts: read-only, nothing unforeseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FoundClass(Found):
    """A class name as it arrives: on how many files, with which sub-classes, and what it seems to mean here."""

    name: str
    files: int
    sub_classes: list[tuple[str, int]]
    proposed: str
    likeness: Likeness


class FoundColumn(Found):
    """A metadata column: on how many files, how many values (counted up to 1,000), the first few of them."""

    name: str
    files: int
    values: int
    samples: list[str]


class Problem(Found):
    """A file that will not be tried, or that is named and not there."""

    name: str
    reason: str


class Findings(Found):
    """Figures of the whole import. `byte_count` is None where the source does not tell sizes.

    `known` of the first `compared` files are in the library already, by their bytes; `compared` is 0 where reading
    them is not cheap. `groups` gives the number of capture groups by rule.
    """

    format: str
    format_title: str
    formats: list[tuple[str, str]]
    files: int
    byte_count: int | None
    labelled: int
    predictions: int
    classes: list[FoundClass]
    more_classes: int
    columns: list[FoundColumn]
    groups: dict[str, int]
    compared: int
    known: int
    too_large: int
    empty: int
    other_names: dict[str, int] = Field(default_factory=dict)
    """Files whose names do not end like a picture's, by the ending."""
    missing: int
    """Files that the description names and the source lacks."""
    skipped: int
    problems: list[Problem]
    format_problems: list[str]
