"""What the pages of acts on many results say."""

from __future__ import annotations

from typing import Any, Final

from app.identification.binning import Bins
from app.labelling.schemas import ActionResult

HELD_WORDS: Final = {
    "not_plentiful": "their class is not plentiful",
    "not_good": "judged not good, in a benchmark set, or without pixels",
    "contradicted": "a duplicate is not good, removed or labelled otherwise",
    "rare_in_top": "a rare class is among their top five",
    "near_rare": "they lie near a labelled image of a rare class",
    "unlike_its_class": "they are unlike the labelled images of their class",
    "disagrees": "another version says something else",
}
MEASURE_WORDS: Final = {
    "confidence": "Confidence",
    "margin": "Margin to the second class",
    "certainty": "Certainty (one less the entropy)",
}
_DONE: Final = {"accept": "labelled as predicted", "remove": "removed"}
_PER_COLUMN: Final = 2


def done_words(act: str, done: ActionResult) -> str:
    """What an act did, in a sentence."""
    images = "1 image" if done.changed == 1 else f"{done.changed:,} images"
    left = f" {done.skipped_count:,} left as they were: {done.skipped[0].why}." if done.skipped_count else ""
    return f"{images} {_DONE[act]}.{left} Undo takes it back as one."


def histogram(bins: Bins) -> list[dict[str, Any]]:
    """Columns of two hundredths each: from where on (in hundredths), images in the pool, labelled images."""
    return [
        {
            "at": at,
            "pool": sum(bins.pool[at : at + _PER_COLUMN]),
            "labelled": sum(bins.labelled[at : at + _PER_COLUMN]),
        }
        for at in range(0, len(bins.pool), _PER_COLUMN)
    ]
