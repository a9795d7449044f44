"""What pages say about classes: where they stand against the cutoffs, what a merge did, the type-ahead's rows."""

from __future__ import annotations

from typing import Any

from app.core.texts import tr
from app.labelling.class_counts import ClassRow
from app.labelling.models import LabelClass
from app.labelling.schemas import ActionResult
from app.labelling.words import result_words

_WORTH_SAYING = 0.05


def class_entry(row: ClassRow) -> dict[str, Any]:
    """A class for the type-ahead."""
    return {
        "id": row.id,
        "name": row.name,
        "aliases": list(row.aliases),
        "colour": row.colour,
        "key": row.key,
        "labelled": row.labelled,
        "sub_classes": [{"id": sub_id, "name": name} for sub_id, name in row.sub_classes],
    }


def counted(usable: int, cap: int) -> str:
    """A count that stopped at `cap`, in words: "31", "1,000+"."""
    return f"{usable:,}{'+' if usable >= cap else ''}"


def need_words(usable: int, lower: int, upper: int, cap: int) -> str:
    """Where a class stands against the cutoffs: "needs 9 more", "enough", "47 above the upper cutoff"."""
    if usable < lower:
        return tr("needs %(n)s more", n=f"{lower - usable:,}")
    if usable <= upper:
        return tr("enough")
    return tr("%(n)s above the upper cutoff", n=f"{usable - upper:,}{'+' if usable >= cap else ''}")


def left_out_words(reason: str) -> str:
    """Why labelled images are not usable: the reasons of `class_counts.breakdown`."""
    words = {
        "benchmark": tr("in a benchmark set"),
        "not_good": tr("below the good image standard"),
        "duplicate": tr("duplicates of a better image"),
        "retired": tr("retired, or leaked between splits"),
    }
    return words[reason]


def origin_words(row: ClassRow) -> str:
    """What rests on staged or synthetic images: "41% staged, 8% synthetic"; "" where that is next to nothing."""
    said = []
    if row.share("staged") >= _WORTH_SAYING:
        said.append(tr("%(share)s staged", share=f"{row.share('staged'):.0%}"))
    if row.share("synthetic") >= _WORTH_SAYING:
        said.append(tr("%(share)s synthetic", share=f"{row.share('synthetic'):.0%}"))
    return ", ".join(said)


def merged_words(source: LabelClass, target: LabelClass, result: ActionResult) -> str:
    """What a merge did."""
    moved = result_words(result, tr("moved"))
    return tr(
        "%(moved)s %(source)s is now %(target)s; History can undo it.",
        moved=moved,
        source=source.name,
        target=target.name,
    )
