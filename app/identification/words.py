"""What identification's pages say, and how their addresses are taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from app.identification.diversity import MOST
from app.identification.schemas import ResultFilter
from app.identification.scope import JobScope
from app.identification.spreading import NEAR
from app.labelling.schemas import ActionResult
from app.library.words import Names
from app.library.words import chips as library_chips

STATE_WORDS: Final = {
    "open": "not settled yet",
    "pool": "in the pool",
    "unknown": "saved as unknown",
    "labelled": "labelled",
    "any": "any",
}
MIX_WORDS: Final = {
    "real": "real images alone",
    "part": "staged or synthetic ones in part",
    "most": "staged or synthetic ones for the most part",
}
DIFFERS_WORDS: Final = {"yes": "predicted other than labelled", "no": "predicted as labelled"}
SORT_WORDS: Final = {
    "confident": "Surest first",
    "doubtful": "Most doubtful first",
    "margin": "Closest call first",
    "entropy": "Most spread out first",
    "different": "Most different first",
    "unlike": "Unlike what is labelled first",
}
DIFFERENT_WORDS: Final = (
    f"The surest {MOST:,} that match, each as far as can be from all before it. Near-duplicates (a cosine of {NEAR} or"
    " more, or duplicates in the library) stand behind the surest of them: +3 shows those three, as d does."
)
UNLIKE_WORDS: Final = (
    f"Up to {MOST:,} that match: first what is far from the labelled images of the classes it is taken for and near to"
    " others of these results, as a class that nobody has named is. Without an embedding, last."
)
GROUP_WORDS: Final = {"": "One list", "class": "By class", "cluster": "By cluster"}
_PLACES: Final = ("before", "after", "section")
_RANGES: Final = {
    "low": "Confidence from",
    "high": "Confidence to",
    "margin_low": "Margin from",
    "margin_high": "Margin to",
    "entropy_low": "Entropy from",
    "entropy_high": "Entropy to",
}
_COUNTS: Final = {
    "labelled_low": "Labelled images of the class from",
    "labelled_high": "Labelled images of the class to",
}


def page_parameters(pairs: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """A results page's query without the place in the list, and that place (`before`, `after` or `section`)."""
    place = {name: value for name, value in pairs if name in _PLACES and value}
    return [pair for pair in pairs if pair[0] not in _PLACES], place


def chips(wanted: ResultFilter, scope: JobScope, path: str, names: Names, versus: str = "") -> list[dict[str, str]]:
    """The filters in force as name, value and the address of the page without them.

    `names` are the library's for its part of the filter; `versus` says which job the other answers are from.
    """
    set_fields = wanted.pairs()
    said = _said(wanted, scope, versus)
    own = [
        {"name": name, "value": value, "remove": f"{path}?{wanted.to_query(**dict.fromkeys(fields))}"}
        for fields, name, value in said
        if fields[0] in set_fields
    ]
    return own + _library_chips(wanted, path, names)


def _said(wanted: ResultFilter, scope: JobScope, versus: str) -> list[tuple[tuple[str, ...], str, str]]:
    """(fields, name, value in words) of each filter of the predictions, set or not."""
    classes = [
        (
            ("class_id", "top"),
            "Predicted as" if wanted.top == 1 else f"Among the first {wanted.top}",
            scope.names.get(wanted.class_id or 0, f"class {wanted.class_id}"),
        )
    ]
    shares = [((field,), name, f"{getattr(wanted, field):.0%}") for field, name in _RANGES.items()]
    counts = [((field,), name, f"{getattr(wanted, field) or 0:,}") for field, name in _COUNTS.items()]
    many = len(wanted.like_ids) > 1
    return [
        *(classes if wanted.view != "candidates" else []),  # Those are always of one class, named beside.
        *shares,
        *counts,
        (("mix",), "Class rests on", MIX_WORDS.get(wanted.mix or "", "")),
        (("versus",), "Otherwise than", versus or f"job {wanted.versus}"),
        (("differs",), "Label", DIFFERS_WORDS.get(wanted.differs or "", "")),
        (("like",), "Like", f"{len(wanted.like_ids)} images" if many else f"image {wanted.like}"),
        (("state",), "Shown", STATE_WORDS[wanted.state]),
    ]


def _library_chips(wanted: ResultFilter, path: str, names: Names) -> list[dict[str, str]]:
    """The library's part, said in its words."""
    chosen = wanted.library
    said = library_chips(chosen, names, path)
    values = [(field.name, value) for field, some in chosen.chosen() for value in some]
    return [
        chip | {"remove": f"{path}?{wanted.to_query(query=chosen.less(name, value).query_string())}"}
        for chip, (name, value) in zip(said, values, strict=True)
    ]


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
