"""How many usable images a few classes have now: their own images and those they are grouped with, not the library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.datasets import queries
from app.datasets.choosing import as_trained, standing
from app.datasets.splitting import draw
from app.library.models import Image, ImageState

_MOST_HOPS: Final = 100


def usable_images(
    session: Session, project_id: int, class_ids: Iterable[int], *, include_small: bool = False
) -> dict[int, int]:
    """Usable images of each of the classes that is in use, as `service.preview` counts them.

    Whether an image counts depends on what shares a duplicate or capture group with it, and so on: that is read too.
    """
    merged = queries.trained_as(session, project_id)
    in_use = queries.class_names(session, project_id)
    wanted = sorted({*class_ids} & {*in_use})
    named = {*wanted, *(own for own, other in merged.items() if other in wanted)}
    columns = queries.library_columns(session, project_id, image_ids=_linked(session, project_id, sorted(named)))
    decided = draw(columns, seed=0)
    now = standing(as_trained(columns, merged), decided, np.array(wanted, np.int64), include_small=include_small)
    return dict(zip(wanted, now.by_split.sum(axis=1).tolist(), strict=True))


def _linked(session: Session, project_id: int, class_ids: list[int]) -> list[int]:
    """Labelled images of the classes, and all that groups link them with, however far."""
    of_classes = (Image.state == ImageState.LABELLED, Image.class_id.in_(id_rows(session, class_ids)))
    grouped = select(Image.id, Image.duplicate_group_id, Image.capture_group_id).where(Image.project_id == project_id)
    rows = session.execute(grouped.where(*of_classes)).all()
    found = {row.id for row in rows}
    seen: tuple[set[int], set[int]] = (set(), set())
    for _ in range(_MOST_HOPS):
        duplicates = {row.duplicate_group_id for row in rows if row.duplicate_group_id is not None} - seen[0]
        captures = {row.capture_group_id for row in rows if row.capture_group_id is not None} - seen[1]
        if not duplicates and not captures:
            break
        seen[0].update(duplicates)
        seen[1].update(captures)
        linked = or_(
            Image.duplicate_group_id.in_(id_rows(session, sorted(duplicates))),
            Image.capture_group_id.in_(id_rows(session, sorted(captures))),
        )
        rows = session.execute(grouped.where(linked)).all()
        found.update(row.id for row in rows)
    return sorted(found)
