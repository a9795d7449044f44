"""The classes of a preview or snapshot as a page lists them: which of them, in which order, page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from app.datasets.schemas import ClassPreview, Preview

Show = Literal["all", "in", "out", "sampled", "unmeasured", "gaps", "made"]
Sort = Literal["name", "usable", "needs", "train", "staged", "synthetic", "validation", "test", "total"]
SHOWS: Final[tuple[Show, ...]] = get_args(Show)
ON_A_PAGE: Final = 100
NEAREST: Final = 12

_KEYS: Final[dict[Sort, Callable[[ClassPreview], Any]]] = {
    "name": lambda each: each.name.casefold(),
    "usable": lambda each: each.usable,
    "needs": lambda each: each.needs,
    "train": lambda each: each.taken[0],
    "staged": lambda each: each.train_origins[1],
    "synthetic": lambda each: each.train_origins[2],
    "validation": lambda each: each.taken[1],
    "test": lambda each: each.taken[2],
    "total": lambda each: each.total,
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of classes; `counts` says how many each way of showing has."""

    classes: tuple[ClassPreview, ...]
    counts: Mapping[Show, int]
    total: int
    page: int
    pages: int


def list_classes(shown: Preview, *, show: Show, sort: Sort, down: bool, find: str, page: int) -> Listing:
    """The classes that `show` and the words of `find` leave, sorted, then by name; at most the last page."""
    kinds = {each.class_id: _kinds(shown, each) for each in shown.classes}
    words = find.casefold().split()
    chosen = [
        each
        for each in shown.classes
        if show in kinds[each.class_id] and all(word in each.name.casefold() for word in words)
    ]
    chosen.sort(key=_KEYS["name"])
    chosen.sort(key=_KEYS[sort], reverse=down)
    pages = max(1, -(-len(chosen) // ON_A_PAGE))
    at = min(page, pages)
    counts: dict[Show, int] = {kind: sum(kind in its for its in kinds.values()) for kind in SHOWS}
    return Listing(tuple(chosen[(at - 1) * ON_A_PAGE : at * ON_A_PAGE]), counts, len(chosen), at, pages)


def _kinds(shown: Preview, each: ClassPreview) -> set[str]:
    found = {"all", "in" if each.is_included else "out"}
    if each.is_included:
        found |= {
            kind
            for kind, holds in (
                ("sampled", each.is_sampled),
                ("unmeasured", not each.measured),
                ("gaps", any(sub.missing_from for sub in shown.sub_classes_of(each.class_id))),
                ("made", each.rests_on_made),
            )
            if holds
        }
    return found
