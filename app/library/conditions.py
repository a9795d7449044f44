"""The conditions of the library's own filter fields, and how an index finds what meets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, literal_column, select, true, union_all
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.library.grammar import (
    Values,
    any_of,
    in_project,
    is_any,
)
from app.library.models import (
    NOT_GOOD_REASONS,
    Image,
    ImageSource,
    ImageState,
    LabelConflict,
    Origin,
    Source,
)


def has_conflict() -> ColumnElement[bool]:
    """Whether an image arrived under a label that nobody has settled, or its duplicates are of another class."""
    arrived = exists().where(LabelConflict.image_id == Image.id, LabelConflict.settled_at.is_(None))
    one, other = aliased(Image), aliased(Image)
    divided = exists().where(
        one.duplicate_group_id == Image.duplicate_group_id,
        other.duplicate_group_id == Image.duplicate_group_id,
        one.state == ImageState.LABELLED.value,
        other.state == ImageState.LABELLED.value,
        one.class_id < other.class_id,
    )
    return arrived | divided


def conflicts(project_id: int, values: Values) -> Select[Any] | None:
    """Images of open conflicts and of divided groups."""
    if not values[0]:
        return None
    arrived = select(LabelConflict.image_id).where(
        LabelConflict.project_id == project_id, LabelConflict.settled_at.is_(None)
    )
    grouped = in_project(project_id, Image.duplicate_group_id.is_not(None), has_conflict())
    found = union_all(arrived, grouped).subquery()
    return select(found.c[0])


def state(values: Values) -> ColumnElement[bool]:
    """In one of the states; "any" leaves none out."""
    return true() if "any" in values else is_any(Image.state)(values)


def in_state(project_id: int, values: Values) -> Select[int] | None:
    """Images in one of the states."""
    return None if "any" in values else in_project(project_id, state(values))


def origins(project_id: int, values: Values) -> Select[int] | None:
    """Images of an origin, where it is not that of most."""
    if Origin.REAL in values:
        return None
    return in_project(project_id, is_any(Image.origin)(values), Image.origin != literal_column("'real'"))


def sources(project_id: int, values: Values) -> Select[int] | None:
    """Images of a source, where it is not that of most."""
    if Source.IMPORT in values:
        return None
    return in_project(project_id, is_any(Image.source)(values), Image.source != literal_column("'import'"))


def quality(values: Values) -> ColumnElement[bool]:
    """Of one of the verdicts; "unjudged" is none yet."""
    named = [reason for value in values for reason in (NOT_GOOD_REASONS if value == "not_good" else (value,))]
    words = tuple(value for value in dict.fromkeys(named) if value != "unjudged")
    parts = [is_any(Image.quality)(words)] if words else []
    return any_of([*parts, Image.quality.is_(None)] if "unjudged" in values else parts)


def judged(project_id: int, values: Values) -> Select[int] | None:
    """Images of one of the verdicts, where one was given."""
    return None if "unjudged" in values else in_project(project_id, quality(values), Image.quality.is_not(None))


def split(values: Values) -> ColumnElement[bool]:
    """In one of the splits; "none" is not drawn yet."""
    drawn = tuple(value for value in values if value != "none")
    parts = [is_any(Image.split)(drawn)] if drawn else []
    return any_of([*parts, Image.split.is_(None)] if "none" in values else parts)


def drawn(project_id: int, values: Values) -> Select[int] | None:
    """Images in one of the splits, where one was drawn."""
    return None if "none" in values else in_project(project_id, split(values), Image.split.is_not(None))


def duplicate(values: Values) -> ColumnElement[bool]:
    """Of one of the places in a duplicate group."""
    group = Image.duplicate_group_id
    parts = {
        "none": group.is_(None),
        "representative": and_(group.is_not(None), Image.is_representative),
        "duplicate": and_(group.is_not(None), ~Image.is_representative),
    }
    return any_of(parts[value] for value in values)


def grouped(project_id: int, values: Values) -> Select[int] | None:
    """Images in duplicate groups, of one of the places."""
    if "none" in values:
        return None
    return in_project(project_id, duplicate(values), Image.duplicate_group_id.is_not(None))


def has_duplicates(values: Values) -> ColumnElement[bool]:
    """In a duplicate group, or in none."""
    return Image.duplicate_group_id.is_not(None) if values[0] else Image.duplicate_group_id.is_(None)


def with_duplicates(project_id: int, values: Values) -> Select[int] | None:
    """Images in duplicate groups."""
    return in_project(project_id, has_duplicates(values)) if values[0] else None


def of_batch(values: Values) -> ColumnElement[bool]:
    """Arrived in one of the imports."""
    return exists().where(ImageSource.image_id == Image.id, ImageSource.batch_id.in_(values))


def arrived(project_id: int, values: Values) -> Select[int]:  # noqa: ARG001 - a batch is of one project
    """Images that arrived in one of the imports."""
    return select(ImageSource.image_id).where(is_any(ImageSource.batch_id)(values))


def until(column: InstrumentedAttribute[Any]) -> Callable[[Values], ColumnElement[bool]]:
    """The condition that a camera's clock showed a day, or one before it."""

    def condition(values: Values) -> ColumnElement[bool]:
        last = date.fromisoformat(values[0])
        limit: ColumnElement[bool] = column < (
            (last + timedelta(days=1)).isoformat() if last < date.max else "9999-12-32"
        )
        return limit

    return condition


def digest(text: str) -> str:
    """A parser of the beginning of a SHA-256."""
    lowered = text.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{4,64}", lowered):
        raise ValueError("4 to 64 hexadecimal digits")
    return lowered


def has_digest(values: Values) -> ColumnElement[bool]:
    """Whose bytes have the digest that begins so."""
    prefix = values[0]
    return and_(Image.sha256 >= prefix, Image.sha256 <= prefix + "f" * (64 - len(prefix)))


def served_as(values: Values) -> ColumnElement[bool]:
    """Came by a served transaction."""
    return exists().where(ImageSource.image_id == Image.id, ImageSource.transaction_id == values[0])


def by_transaction(project_id: int, values: Values) -> Select[int]:  # noqa: ARG001 - its condition is asked besides
    """The image of a served transaction."""
    return select(ImageSource.image_id).where(ImageSource.transaction_id == values[0])
