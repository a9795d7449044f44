"""What a format says of an image beside its label, given to images that an import has just added.

Quality, turn, small subject and split are set as they arrive; a state is a label event of the import's act. Answers of
other models stay beside the label, as metadata by which the library can be filtered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from app.exchange.schemas import PlannedFile, PlannedPrediction
from app.labelling.actions import Heading
from app.labelling.parts import apply_part
from app.labelling.schemas import Change
from app.library.metadata import record_metadata
from app.library.models import ImageState, ImportBatch
from app.library.service import change_images

SUGGESTED: Final = "suggested class"
CONFIDENCE: Final = "suggestion confidence"
SUGGESTED_BY: Final = "suggested by"
_STATES: Final = frozenset({ImageState.UNKNOWN, ImageState.NONE, ImageState.REMOVED})
_ATTRIBUTES: Final = ("quality", "rotation", "is_small_subject", "split")


def carry(session: Session, batch: ImportBatch, told: Mapping[int, PlannedFile]) -> None:
    """Give some hundred images of an import, just added, what their format says of them. `told` is by image id."""
    by_values: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for image_id, planned in told.items():
        values = tuple((name, value) for name in _ATTRIBUTES if (value := getattr(planned, name)) is not None)
        if values:
            by_values.setdefault(values, []).append(image_id)
    for values, image_ids in by_values.items():
        change_images(session, image_ids, project_id=batch.project_id, **dict(values))
    changes = [Change(image_id, to_state=state) for image_id, planned in told.items() if (state := _state(planned))]
    if changes:
        summary = f"Imported labels: {batch.name}"[:500]
        heading = Heading(batch.project_id, batch.created_by, "import", summary, f"import:{batch.id}")
        apply_part(session, heading, changes, how="import")
    suggested = {
        image_id: _as_metadata(planned.predictions[0]) for image_id, planned in told.items() if planned.predictions
    }
    record_metadata(session, batch.project_id, suggested)


def _state(planned: PlannedFile) -> str | None:
    """The state to give; none to what has a class."""
    return planned.state if planned.state in _STATES and planned.label.class_name is None else None


def _as_metadata(best: PlannedPrediction) -> dict[str, str]:
    """The best prediction; texts that are empty are not kept."""
    confidence = "" if best.confidence is None else f"{best.confidence:.3f}"
    return {SUGGESTED: best.class_name, CONFIDENCE: confidence, SUGGESTED_BY: best.source}
