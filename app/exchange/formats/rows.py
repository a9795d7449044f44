"""What an export knows of an image, and the same as the few fields that every JSON format carries along for us."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Final

from app.core.database import Json
from app.core.errors import InvalidInput
from app.exchange.schemas import PlannedFile, PlannedPrediction
from app.labelling.class_names import clean_name
from app.library.listing import FileLabel
from app.library.models import NOT_GOOD_REASONS, ImageState, Origin

EXTRA_KEY: Final = "winnow"
"""Where JSON formats keep what they have no field for. Other readers pass over it."""
REPORT_NAME: Final = "report.txt"
"""What an export says to people."""
_STATES: Final = frozenset(state.value for state in ImageState) - {ImageState.QUARANTINED.value}
_QUALITIES: Final = frozenset({"good", *NOT_GOOD_REASONS})
_SPLITS: Final = frozenset({"train", "validation", "test"})
_TURNS: Final = frozenset({0, 90, 180, 270})
_MAX_PREDICTIONS: Final = 20


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One image of an export. `path` is its place in the archive; texts are "" where there is nothing to tell.

    `file` is the name under which the bytes first arrived. `predictions` are (class, confidence 0..1), best first, by
    the version that `predicted_by` names.
    """

    image_id: int
    path: str
    file: str
    sha256: str
    state: str
    class_name: str = ""
    sub_class: str = ""
    quality: str = ""
    small_subject: bool = False
    rotation: int = 0
    origin: str = "real"
    split: str = ""
    group: str = ""
    labelled_by: str = ""
    labelled_at: str = ""
    how: str = ""
    why: str = ""
    """Why a snapshot chose it, where the export is of one."""
    label_version: int = 0
    width: int = 0
    height: int = 0
    format: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    predictions: tuple[tuple[str, float], ...] = ()
    predicted_by: str = ""


_KEPT: Final = tuple(
    each.name
    for each in fields(ExportRow)
    if each.name not in ("image_id", "path", "width", "height", "format", "predictions", "predicted_by")
)
Rows = Callable[[], Iterator[ExportRow]]
"""The images of an export; each call starts anew and gives the same ones in the same order."""


def extras(row: ExportRow) -> Json:
    """What our own reader wants back and a format has no field for."""
    kept = {name: getattr(row, name) for name in _KEPT}
    return {name: value for name, value in kept.items() if value not in ("", {})}


def planned(
    name: str,
    class_name: str | None = None,
    *,
    kept: Mapping[str, Any] | None = None,
    sub_class: str | None = None,
    metadata: Mapping[str, str] | None = None,
    predictions: Iterable[PlannedPrediction] = (),
) -> PlannedFile:
    """A file from what the format itself says of it, completed by `kept`, our own fields, where there are any.

    The format's class wins over the kept one, since somebody may have changed it with another tool. The kept
    sub-class goes with the kept class only, and a kept state without a class only where the format tells no class.
    """
    kept = kept or {}
    own, known = word(class_name), word(_text(kept, "class_name"))
    is_same = own is not None and known is not None and own.casefold() == known.casefold()
    sub = word(sub_class) or (word(_text(kept, "sub_class")) if is_same else None)
    state = _one_of(kept, "state", _STATES) if own is None else None
    label = FileLabel(
        own, sub if own else None, word(kept.get("group")), {**_metadata(kept.get("metadata")), **(metadata or {})}
    )
    return PlannedFile(
        name,
        label,
        tuple(predictions)[:_MAX_PREDICTIONS],
        state=None if state == ImageState.LABELLED else state,
        quality=_one_of(kept, "quality", _QUALITIES),
        origin=_one_of(kept, "origin", frozenset(Origin)),
        sha256=_text(kept, "sha256"),
        rotation=_turn(kept.get("rotation")),
        is_small_subject=_flag(kept.get("small_subject")),
        split=_one_of(kept, "split", _SPLITS),
    )


def word(name: object) -> str | None:
    """A class, sub-class or group as it is stored; None for what is no text or has no visible character."""
    return _word(name) if isinstance(name, str) and name else None


@lru_cache(maxsize=4096)
def _word(name: str) -> str | None:
    try:
        return clean_name(name)
    except InvalidInput:
        return None


def kept_fields(value: object) -> Mapping[str, Any]:
    """Our own fields where a document has them; nothing where something else stands in their place."""
    return value if isinstance(value, dict) else {}


def json_document(head: Json, **lists: Iterable[object]) -> Iterator[bytes]:
    """A JSON object in pieces: the members of `head`, then each list, entry by entry."""
    yield b"{"
    for at, (key, value) in enumerate(head.items()):
        yield _member(key, first=at == 0) + _dumped(value)
    for at, (key, entries) in enumerate(lists.items()):
        yield _member(key, first=not head and at == 0) + b"["
        yield from json_entries(entries)
        yield b"]"
    yield b"}\n"


def json_entries(entries: Iterable[object]) -> Iterator[bytes]:
    """The entries of a JSON list, one a line, without the brackets."""
    comma = b"\n"
    for entry in entries:
        yield comma + _dumped(entry)
        comma = b",\n"


def json_members(pairs: Iterable[tuple[str, object]]) -> Iterator[bytes]:
    """The members of a JSON object, one a line, without the braces."""
    comma = b"\n"
    for key, value in pairs:
        yield comma + _dumped(key) + b": " + _dumped(value)
        comma = b",\n"


def _member(key: str, *, first: bool) -> bytes:
    return (b"\n" if first else b",\n") + _dumped(key) + b": "


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _text(kept: Mapping[str, Any], name: str) -> str | None:
    value = kept.get(name)
    return value if isinstance(value, str) and value else None


def _one_of(kept: Mapping[str, Any], name: str, allowed: frozenset[str]) -> str | None:
    value = _text(kept, name)
    return value if value in allowed else None


def _turn(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() and int(text) in _TURNS else None


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(str(value).lower())


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text if isinstance(text, str) else json.dumps(text) for key, text in value.items()}
