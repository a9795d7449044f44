"""Filtering by a stack of near-duplicates, as an order by difference made it: what its badge opens."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Select, exists, select

from app.identification.look_models import DiverseOrder, StackedImage
from app.identification.result_filter import ResultFilter
from app.library.filters import ImageFilter
from app.library.grammar import Field, Values
from app.library.models import Image
from app.predictions.models import ScoringJob

NAME: Final = "stack"
_VALUE: Final = re.compile(r"([1-9]\d{0,17})\.(0|[1-9]\d{0,5})")


def stack_query(wanted: ResultFilter, stack: str) -> str:
    """The library's part of a filter, narrowed down to a stack."""
    return ImageFilter.stored(urlencode(wanted.library.to_query() | {NAME: stack})).query_string()


def _parse(text: str) -> str:
    if _VALUE.fullmatch(text) is None:
        raise ValueError("an order's number, a dot and the stack's number")
    return text


def _of_stack(values: Values) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    order_id, _, stack = str(values[0]).partition(".")
    return StackedImage.order_id == int(order_id), StackedImage.stack == int(stack)


def _condition(values: Values) -> ColumnElement[bool]:
    return exists().where(StackedImage.image_id == Image.id, *_of_stack(values)).correlate(Image)


def _ids(project_id: int, values: Values) -> Select[Any]:
    return (
        select(StackedImage.image_id)
        .join(DiverseOrder, DiverseOrder.id == StackedImage.order_id)
        .join(ScoringJob, ScoringJob.id == DiverseOrder.job_id)
        .where(ScoringJob.project_id == project_id, *_of_stack(values))
    )


FIELDS: Final = (
    Field(
        NAME,
        lambda: "Near-duplicates",
        "groups",
        _parse,
        _condition,
        _ids,
        kind="shape",
        said=lambda text: f"stack {int(text.partition('.')[2]) + 1}",
    ),
)
