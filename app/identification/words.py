"""What identification's pages say, and how their addresses are taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from app.identification.schemas import ResultFilter
from app.identification.scope import JobScope
from app.labelling.schemas import ActionResult

STATE_WORDS: Final = {
    "open": "not settled yet",
    "pool": "in the pool",
    "unknown": "saved as unknown",
    "labelled": "labelled",
    "any": "any",
}
_PLACES: Final = ("before", "after")
_RANGES: Final = {
    "low": ("Confidence from", "{:.0%}"),
    "high": ("Confidence to", "{:.0%}"),
    "margin_low": ("Margin from", "{:.0%}"),
    "margin_high": ("Margin to", "{:.0%}"),
}


def page_parameters(pairs: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """A results page's query without the place in the list, and that place (`before` or `after`)."""
    place = {name: value for name, value in pairs if name in _PLACES and value}
    return [pair for pair in pairs if pair[0] not in _PLACES], place


def chips(wanted: ResultFilter, scope: JobScope, path: str) -> list[dict[str, str]]:
    """The filters in force as name, value and the address of the page without them."""
    shown: list[dict[str, str]] = []
    default = ResultFilter()

    def add(field: str, name: str, value: str) -> None:
        shown.append({"name": name, "value": value, "remove": f"{path}?{wanted.to_query(**{field: None})}"})

    if wanted.class_id is not None and wanted.view != "candidates":  # Those are always of one class, named beside.
        add("class_id", "Predicted as", scope.names.get(wanted.class_id, f"class {wanted.class_id}"))
    for field, (name, pattern) in _RANGES.items():
        value = getattr(wanted, field)
        if value != getattr(default, field):
            add(field, name, pattern.format(value))
    if wanted.state != default.state:
        add("state", "Shown", STATE_WORDS[wanted.state])
    return shown


def accepted_json(done: ActionResult, versions: dict[int, int], slug: str) -> dict[str, Any]:
    """An acceptance as scripts get it."""
    return {
        "action_id": done.action_id,
        "changed": done.changed,
        "skipped": [asdict(skipped) for skipped in done.skipped],
        "skipped_count": done.skipped_count,
        "versions": versions,
        "undo_url": f"/projects/{slug}/actions/{done.action_id}/undo",
    }
