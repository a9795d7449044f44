"""Classes whose images may mean something else when mirrored: proposed by their names, decided by a person.

A name tells much but not all: it says a side (left, links), or that there is something to read (a letter, a sign, an
arrow). Sub-classes are no matter: training is by class, so a flip between them changes no label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SIDES: Final = {
    "left": "right",
    "right": "left",
    "links": "rechts",
    "rechts": "links",
    "linke": "rechte",
    "rechte": "linke",
    "linker": "rechter",
    "rechter": "linker",
    "linkes": "rechtes",
    "rechtes": "linkes",
    "lefthand": "righthand",
    "righthand": "lefthand",
    "clockwise": "anticlockwise",
    "anticlockwise": "clockwise",
    "counterclockwise": "clockwise",
}
_TO_READ: Final = frozenset(
    (
        "arrow",
        "arrows",
        "pfeil",
        "pfeile",
        "sign",
        "signs",
        "schild",
        "schilder",
        "zeichen",
        "letter",
        "letters",
        "buchstabe",
        "buchstaben",
        "digit",
        "digits",
        "ziffer",
        "ziffern",
        "number",
        "numbers",
        "zahl",
        "zahlen",
        "text",
        "word",
        "wort",
        "writing",
        "schrift",
        "logo",
        "clock",
        "uhr",
        "barcode",
    )
)
_ENDINGS: Final = ("pfeil", "pfeile", "schild", "schilder", "zeichen", "schrift", "zahl")
_BEGINNINGS: Final = ("links", "rechts")
_SAME_MIRRORED: Final = frozenset("AHIMOTUVWXYilotuvwx08")
_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class MirrorDoubt:
    """A class that a flip may turn into something else, and why it is thought so."""

    class_id: int
    name: str
    reason: str


def mirror_doubts(names: Mapping[int, str]) -> list[MirrorDoubt]:
    """Classes (id to name) that a left-right flip may change, in the order of their names."""
    known = {name.casefold() for name in names.values()}
    found = [
        MirrorDoubt(class_id, name, reason) for class_id, name in names.items() if (reason := _reason(name, known))
    ]
    return sorted(found, key=lambda doubt: doubt.name.casefold())


def _reason(name: str, known: set[str]) -> str:
    words = _WORD.findall(name.casefold())
    for word in words:
        if word in _SIDES:
            other = re.sub(rf"\b{word}\b", _SIDES[word], name.casefold())
            return "mirrored, it is another class" if other in known else "its name says a side"
        if word.startswith(_BEGINNINGS):
            return "its name says a side"
    if len(name) == 1 and name.isalnum():
        return "" if name in _SAME_MIRRORED else "a letter or digit"
    if any(word in _TO_READ or word.endswith(_ENDINGS) for word in words):
        return "something to read"
    return ""
