"""What pages say of transactions: filters as removable chips and as choices, decisions and verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from app.serving.schemas import TransactionFilter

DECISION_WORDS: Final = {"answered": "answered", "choices": "choices", "unable": "unable to identify"}
VERDICT_WORDS: Final = {
    "correct": "correct",
    "wrong": "wrong",
    "class_not_in_model": "class not in the model",
    "not_usable": "not a usable image",
}
_FIELDS: Final = {"decision": "Decision", "version": "Version", "client": "Client", "graded": "Grade"}
_GRADED: Final = {"yes": "graded", "no": "not graded", **VERDICT_WORDS}

Offers = dict[str, list[tuple[str, str]]]


def chips(chosen: TransactionFilter, path: str) -> list[dict[str, str]]:
    """The filter's fields as name, value and the address of the page without them."""
    query = chosen.to_query()
    return [
        {
            "name": _FIELDS[field],
            "value": _value(field, value),
            "remove": f"{path}?{urlencode({name: text for name, text in query.items() if name != field})}",
        }
        for field, value in query.items()
    ]


def choices_of(versions: Sequence[int], clients: Sequence[str]) -> Offers:
    """What each filter offers, as (value, words)."""
    return {
        "decision": [("", "any"), *DECISION_WORDS.items()],
        "version": [("", "any"), *((str(number), f"v{number}") for number in versions)],
        "client": [("", "any"), *((client, client) for client in clients)],
        "graded": [("", "any"), *_GRADED.items()],
    }


def _value(field: str, value: str) -> str:
    if field == "version":
        return f"v{value}"
    return {**DECISION_WORDS, **_GRADED}.get(value, value) if field != "client" else value
