"""What the labelling screen says: its queues, the images as its script gets them, a labeller's day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.core.texts import tr
from app.labelling.notes import Note
from app.labelling.own_day import EarlierAnswer
from app.labelling.policies import OF_ONE, Policy
from app.labelling.queue import QueueImage
from app.labelling.suggested import ShownSuggestions
from app.library.models import NOT_GOOD_REASONS


def policy_words() -> dict[Policy, tuple[str, str]]:
    """Each policy: its name, and what it hands out."""
    return {
        Policy.NEWEST: (tr("Newest first"), tr("As they came in, the last ones first")),
        Policy.OLDEST: (tr("Oldest first"), tr("As they came in")),
        Policy.UNCERTAIN: (tr("Least sure first"), tr("By the confidence of the version in production")),
        Policy.MARGIN: (tr("Closest call first"), tr("By the margin between the first and the second class")),
        Policy.ENTROPY: (tr("Most undecided first"), tr("By the entropy over all classes")),
        Policy.DIVERSE: (tr("Most diverse first"), tr("One from each cluster that has no label yet, then by rank")),
        Policy.DISAGREEMENT: (tr("Versions disagree"), tr("Where the two newest versions see different classes")),
        Policy.RARE: (tr("Rare classes first"), tr("What looks like the classes with the fewest usable images")),
        Policy.CLASS: (tr("Looks like a class, surest first"), tr("What the version in production takes for it")),
        Policy.VIEW: (tr("A saved view"), tr("What waits in it, the newest first")),
        Policy.CLASS_UNSURE: (tr("Looks like a class, least sure first"), tr("What it may take for it by mistake")),
    }


def whole_library() -> dict[Policy, tuple[str, str]]:
    """The policies that need neither a class nor a view."""
    return {policy: words for policy, words in policy_words().items() if policy not in OF_ONE}


def reason_words() -> dict[str, str]:
    """Why an image is not good, in words."""
    words = {
        "blurred": tr("Blurred"),
        "dark": tr("Dark"),
        "obscured": tr("Obscured"),
        "several_subjects": tr("Several subjects"),
        "not_upright": tr("Not upright"),
        "irrelevant": tr("Irrelevant"),
    }
    return {reason: words[reason] for reason in NOT_GOOD_REASONS}


def images_as_json(
    slug: str,
    images: Sequence[QueueImage],
    *,
    suggested: ShownSuggestions,
    notes: Mapping[int, Sequence[Note]],
    chosen_by: Mapping[int, Policy],
) -> list[dict[str, Any]]:
    """Images as the screen's script gets them."""
    return [
        {
            "id": image.id,
            "version": image.label_version,
            "turn": image.rotation,
            "name": image.file_name,
            "state": image.state,
            "quality": image.quality,
            "small": image.is_small_subject,
            "picture": f"/projects/{slug}/images/{image.id}/rendition",
            "chosen_by": chosen_by.get(image.id),
            "notes": [{"by": note.by, "text": note.text} for note in notes.get(image.id, ())],
            "suggestions": [
                {"class_id": one.class_id, "name": one.name, "confidence": one.confidence}
                for one in suggested.by_image.get(image.id, [])
            ],
        }
        for image in images
    ]


def earlier_as_json(answers: Sequence[EarlierAnswer]) -> list[dict[str, Any]]:
    """Earlier answers as the screen's script gets them."""
    return [{name: getattr(answer, name) for name in answer.__slots__} for answer in answers]
