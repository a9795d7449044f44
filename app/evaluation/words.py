"""What pages say of a filter over judged images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.evaluation.schemas import JudgedFilter

OUTCOMES: Final = {
    "fixed": "wrong before, right now",
    "broken": "right before, wrong now",
    "still_wrong": "wrong in both",
    "still_right": "right in both",
}


def chips(wanted: JudgedFilter, names: Mapping[int, str], path: str) -> list[dict[str, str]]:
    """The filter's fields, beside the set and right or wrong, as name, value and the address without them."""
    classes = {"true": "True class", "predicted": "Predicted as", "class_id": "Class, true or predicted"}
    said = []
    for field, word in classes.items():
        class_id = getattr(wanted, field)
        if class_id is not None:
            value = names.get(class_id, f"number {class_id}")
            said.append({"name": word, "value": value, "remove": wanted.address(path, **{field: None})})
    if wanted.against is not None:
        value = OUTCOMES[wanted.outcome] if wanted.outcome else "shown beside"
        remove = wanted.address(path, against=None, outcome=None)
        said.append({"name": f"Against v{wanted.against}", "value": value, "remove": remove})
    return said
