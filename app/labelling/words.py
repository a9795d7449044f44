"""What pages say about acts: how many images changed, which stayed and why."""

from __future__ import annotations

from typing import Final

from app.labelling.schemas import ActionResult

HOW_WORDS: Final = {
    "manual": "by hand",
    "grid": "in the grid",
    "accepted_suggestion": "suggestion accepted",
    "import": "import",
    "bulk": "in bulk",
    "review": "review",
    "undo": "undo",
}
_NAMED = 3


def result_words(result: ActionResult, verb: str) -> str:
    """Such as "12 images labelled. 3 stay as they are: image 7 (changed meanwhile by ben, now Tiger) …"."""
    changed = f"{result.changed:,} image{'' if result.changed == 1 else 's'} {verb}."
    if not result.skipped_count:
        return changed
    named = "; ".join(
        f"image {row.image_id} ({row.why}{f' by {row.by}' if row.by else ''}{f', now {row.now}' if row.now else ''})"
        for row in result.skipped[:_NAMED]
    )
    more = " and others" if result.skipped_count > _NAMED else ""
    return f"{changed} {result.skipped_count:,} stay as they are: {named}{more}."
