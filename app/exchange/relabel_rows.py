"""What a row of an edited CSV file asks of an image, beside what the image is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.exchange.formats.columns import LABEL_COLUMNS, TableRow, label_check
from app.exchange.formats.rows import word
from app.library.models import NOT_GOOD_REASONS, ImageState

_GIVEN_STATES: Final = ("pool", "labelled", "unknown", "none", "removed")
_QUALITIES: Final = ("", "good", *NOT_GOOD_REASONS)
_TURNS: Final = ("0", "90", "180", "270")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
READ_COLUMNS: Final = frozenset(LABEL_COLUMNS)


class BadRow(Exception):
    """A row breaks a rule, which the message states."""


@dataclass(frozen=True, slots=True)
class Now:
    """An image as it is."""

    image_id: int
    file: str
    state: str
    class_name: str
    sub_class: str
    quality: str
    is_small_subject: bool
    rotation: int
    version: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a row changes; None leaves a field as it is. `state` stands without a class, `class_name` with its state.

    `sub_class` "" means none, `quality` "" not judged.
    """

    state: str | None = None
    class_name: str | None = None
    sub_class: str | None = None
    quality: str | None = None
    is_small_subject: bool | None = None
    rotation: int | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether the image already is as the row says."""
        return all(value is None for value in asdict(self).values())

    def to_json(self) -> dict[str, Any]:
        """What is not None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def is_unedited(row: TableRow) -> bool:
    """Whether the row's label is as it was exported, by the check that stands beside it."""
    check = row.cells.get("label_check")
    return bool(check) and row.cells.keys() >= READ_COLUMNS and check == label_check(_texts(row.cells))


def _texts(cells: Mapping[str, str]) -> list[str]:
    return [cells[column] for column in LABEL_COLUMNS]


def exported_version(row: TableRow) -> int | None:
    """The label version that the row was exported at; None where the table does not tell. Raises BadRow."""
    text = row.cells.get("label_version", "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise BadRow(f"label_version is a whole number; received {text[:40]!r}")
    return int(text)


def wanted(row: TableRow, now: Now) -> Wanted:
    """What the row changes on the image. Columns that the table lacks leave their field as it is. Raises BadRow."""
    state = _choice(row, "state", _GIVEN_STATES)
    quality = _choice(row, "quality", _QUALITIES, empty="")
    turn = _choice(row, "rotation", _TURNS)
    small = _choice(row, "small_subject", (*_YES, *_NO))
    label = _label(row, now, state)
    is_small = small in _YES if small is not None else None
    return Wanted(
        *label,
        quality=None if quality == now.quality else quality,
        is_small_subject=None if is_small == now.is_small_subject else is_small,
        rotation=None if turn is None or int(turn) == now.rotation else int(turn),
    )


def _choice(row: TableRow, column: str, allowed: tuple[str, ...], *, empty: str | None = None) -> str | None:
    if column not in row.cells:
        return None
    text = row.cells[column].strip().lower()
    if not text:
        return empty
    if text not in allowed:
        raise BadRow(f"{column} is one of {', '.join(each for each in allowed if each)}; received {text[:40]!r}")
    return text


def _label(row: TableRow, now: Now, state: str | None) -> tuple[str | None, str | None, str | None]:
    """(state, class, sub-class) to give; what is already so is None."""
    class_name = word(row.cells["class"]) if "class" in row.cells else (now.class_name or None)
    is_other_class = not _same(class_name, now.class_name)
    is_other_state = state is not None and state != now.state
    if class_name is None:
        return _state_without_class(row, now, state)
    if is_other_state and state != ImageState.LABELLED:
        if is_other_class:
            raise BadRow(f"the row gives both the class {class_name[:60]!r} and the state {state!r}")
        return state, None, None
    sub_class = (word(row.cells["sub_class"]) or "") if "sub_class" in row.cells else None
    if not is_other_class and (sub_class is None or _same(sub_class, now.sub_class)):
        return None, None, None
    return None, class_name, sub_class


def _state_without_class(row: TableRow, now: Now, state: str | None) -> tuple[str | None, str | None, str | None]:
    is_emptied = "class" in row.cells and now.state == ImageState.LABELLED
    if state == ImageState.LABELLED and not is_emptied:
        raise BadRow("the state 'labelled' needs a class")
    if state in (None, ImageState.LABELLED):
        return (ImageState.POOL.value if is_emptied else None), None, None
    return (state if state != now.state else None), None, None


def _same(first: str | None, second: str | None) -> bool:
    return (first or "").casefold() == (second or "").casefold()
