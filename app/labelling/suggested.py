"""Suggestions as shown: the production version's classes, as they are called and merged today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.labelling.models import LabelClass
from app.predictions.service import Suggestion, suggestions
from app.registry.queries import version_classes

SHOWN = 5


@dataclass(frozen=True, slots=True)
class ShownSuggestions:
    """Up to SHOWN classes in use for each image, best first, and the version that suggests them (None: none)."""

    version_id: int | None
    version_number: int | None
    by_image: dict[int, list[Suggestion]] = field(default_factory=dict)


def shown_suggestions(session: Session, project_id: int, image_ids: Sequence[int]) -> ShownSuggestions:
    """Suggestions for a few images. A merged class stands under the one it went into; archived ones are left out.

    Where the version took two classes for one, being merged for a while, both are offered: labels stay apart.
    """
    found = suggestions(session, project_id, list(image_ids))
    wanted = {suggestion.class_id for ranked in found.by_image.values() for suggestion in ranked}
    classes = _classes(session, project_id, wanted)
    twins = _twins(session, found.version_id, classes)
    by_image = {image_id: _in_use(ranked, classes, twins) for image_id, ranked in found.by_image.items()}
    return ShownSuggestions(found.version_id, found.version_number, by_image)


class _Class(NamedTuple):
    """A class as it stands today."""

    id: int
    name: str
    archived_at: datetime | None
    merged_into_id: int | None
    trained_as_id: int | None


def _classes(session: Session, project_id: int, wanted: set[int]) -> dict[int, _Class]:
    """These classes, what they were merged into, and those that are trained as another: not all 1,500."""
    if not wanted:
        return {}
    ids = id_rows(session, sorted(wanted))
    targets = select(LabelClass.merged_into_id).where(LabelClass.id.in_(ids), LabelClass.merged_into_id.is_not(None))
    rows = session.execute(
        select(*(getattr(LabelClass, name) for name in _Class._fields)).where(
            LabelClass.project_id == project_id,
            or_(LabelClass.id.in_(ids), LabelClass.id.in_(targets), LabelClass.trained_as_id.is_not(None)),
        )
    )
    return {row.id: _Class(*row) for row in rows}


def _twins(session: Session, version_id: int | None, classes: dict[int, _Class]) -> dict[int, list[_Class]]:
    """The classes that are trained as another and that the version does not know by themselves, by that other."""
    merged = [each for each in classes.values() if each.trained_as_id is not None]
    known = {entry.class_id for entry in version_classes(session, version_id)} if merged and version_id else set()
    found: dict[int, list[_Class]] = {}
    for each in merged:
        if each.id not in known:
            found.setdefault(each.trained_as_id or 0, []).append(each)
    return found


def _in_use(
    ranked: Sequence[Suggestion], classes: dict[int, _Class], twins: dict[int, list[_Class]]
) -> list[Suggestion]:
    kept: dict[int, Suggestion] = {}
    for suggestion in ranked:
        known = classes.get(suggestion.class_id)
        if known is not None and known.archived_at is not None:
            known = classes.get(known.merged_into_id or 0)
        if known is not None and known.archived_at is None:
            for each in (known, *twins.get(known.id, ())):
                kept.setdefault(each.id, Suggestion(each.id, each.name, suggestion.confidence))
    return list(kept.values())[:SHOWN]
