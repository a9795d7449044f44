"""Mass removal: the work of its plan. What scores below a threshold, without what is protected; nothing goes yet.

Only images in the pool go: labelled ones, those of a benchmark set and those that any snapshot holds never do.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Select, case, exists, or_, select

from app.core.database import Json, read, write
from app.datasets.models import SnapshotImage
from app.identification import plan_files
from app.identification.act_schemas import RemoveBelow
from app.identification.binning import request_bins, value_of
from app.identification.holding import Held
from app.identification.scope import JobScope, job_scope
from app.library.models import Image, ImageState
from app.predictions.models import Prediction
from app.runs.context import RunContext

_PAGE: Final = 20_000


def is_protected() -> ColumnElement[bool]:
    """Whether an image of the pool must stay all the same."""
    return or_(Image.in_benchmark, exists().where(SnapshotImage.image_id == Image.id))


def may_go() -> ColumnElement[bool]:
    """Whether an image may be removed in a mass, asked again at the moment it goes."""
    return (Image.state == ImageState.POOL) & ~is_protected()


def plan_removal(context: RunContext) -> None:
    """The run kind `identification.plan` for a removal: parameters `job_id` and `asked`, a RemoveBelow."""
    asked = RemoveBelow.model_validate(context.parameters["asked"])
    with read() as session:
        scope = job_scope(session, context.parameters["job_id"], context.project_id)
    parts, last, seen = [np.zeros(0, dtype=plan_files.COLUMNS)], 0, 0
    while True:
        with read() as session:
            rows = session.execute(_lowest(scope, asked, last)).all()
        if not rows:
            break
        parts.append(_columns(rows))
        last, seen = rows[-1].id, seen + len(rows)
        context.progress(seen, seen, "Listing")
    found = np.concatenate(parts)
    plan_files.freeze(context.run_id, found)
    is_free = found["held"] == Held.TAKEN
    result: Json = {
        "act": "remove",
        "job_id": scope.job_id,
        "measure": asked.measure,
        "below": asked.below,
        "above": len(found),
        "taken": int(is_free.sum()),
        "protected": int((~is_free).sum()),
    }
    with write() as session:
        request_bins(session, project_id=scope.project_id, job_id=scope.job_id, user_id=context.created_by)
        context.complete(session, result)


def _lowest(scope: JobScope, asked: RemoveBelow, last: int) -> Select[Any]:
    return (
        select(
            Image.id,
            Image.label_version,
            value_of(asked.measure).label("score"),
            case((is_protected(), 1), else_=0).label("held"),
        )
        .select_from(Prediction)
        .join(Image, Image.id == Prediction.image_id)
        .where(
            Prediction.job_id == scope.job_id,
            Prediction.image_id > last,
            value_of(asked.measure) < asked.below / 100,
            Image.state == ImageState.POOL,
        )
        .order_by(Prediction.image_id)
        .limit(_PAGE)
    )


def _columns(rows: Any) -> plan_files.Frozen:
    made = np.zeros(len(rows), dtype=plan_files.COLUMNS)
    made["image_id"] = [row.id for row in rows]
    made["version"] = [row.label_version for row in rows]
    made["score"] = [row.score for row in rows]
    made["held"] = [Held.CONTRADICTED if row.held else Held.TAKEN for row in rows]
    return made
