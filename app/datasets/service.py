"""Splits, previews and snapshots. The plan is worked out by column in memory; only the result is written."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows
from app.core.errors import InvalidInput
from app.datasets import queries
from app.datasets.choosing import as_trained, in_order, standing
from app.datasets.counting import count, take_census
from app.datasets.models import Snapshot, SnapshotClass, SnapshotImage
from app.datasets.schemas import (
    SHARES,
    SPLITS,
    ClassPreview,
    Draw,
    DrawnSplits,
    ImageColumns,
    Ints,
    Preview,
    SnapshotPlan,
    ViewUsed,
)
from app.datasets.splitting import draw
from app.library.models import Image
from app.library.views import get_view
from app.projects.models import Project

LARGEST_CUTOFF = 100_000


def draw_splits(session: Session, project_id: int, *, seed: int = 0) -> DrawnSplits:
    """Gives a split, for ever, to every labelled image that has none yet. Needs a write session."""
    _one_at_a_time(session, project_id)
    columns = queries.library_columns(session, project_id)
    decided = draw(columns, seed=seed)
    _apply(session, columns, decided)
    train, validation, test = (int(np.sum(decided.drawn & (decided.split == place))) for place in range(len(SPLITS)))
    return DrawnSplits(train, validation, test, leaked=int(decided.leaked.sum()))


def preview(
    session: Session,
    project_id: int,
    lower: int,
    upper: int,
    *,
    include_small: bool = False,
    seed: int = 0,
    view_id: int | None = None,
) -> Preview:
    """What a snapshot with these cutoffs would hold now. Writes nothing. Raises as `make_plan` does."""
    plan = make_plan(
        session,
        project_id=project_id,
        lower=lower,
        upper=upper,
        include_small=include_small,
        seed=seed,
        view_id=view_id,
    )
    return plan.preview


def make_plan(
    session: Session,
    *,
    project_id: int,
    lower: int,
    upper: int,
    include_small: bool = False,
    seed: int = 0,
    view_id: int | None = None,
) -> SnapshotPlan:
    """Works a snapshot out without writing, so that `freeze` can be short.

    With a saved view only its images are taken; splits are drawn as ever. Raises InvalidInput for bad cutoffs, NotFound
    for an unknown view.
    """
    check_cutoffs(lower, upper)
    view = get_view(session, view_id, project_id) if view_id is not None else None
    columns = queries.library_columns(session, project_id)
    decided = draw(columns, seed=seed)  # By the labels as they are: so parting two classes leaves fair splits.
    merged = queries.trained_as(session, project_id)
    columns = as_trained(columns, merged)
    names = queries.class_names(session, project_id)
    within = queries.within_view(session, columns, project_id, view.filter) if view else None
    now_usable = standing(
        columns, decided, np.fromiter(names, dtype=np.int64), include_small=include_small, within=within
    )
    before = queries.snapshot_before(session, project_id, upper=upper, include_small=include_small)
    order = in_order(
        columns,
        decided,
        now_usable,
        previous_ids=queries.ids_of_snapshot(session, before),
        clusters=queries.cluster_numbers(session, columns, project_id),
        seed=seed,
    )
    shown = count(
        take_census(columns, decided, now_usable, order, within),
        lower=lower,
        upper=upper,
        names=names,
        sub_class_names=queries.sub_class_names(session, project_id),
        trained_as=merged,
        include_small=include_small,
        view=ViewUsed(view.name, view.query) if view else None,
    )
    rows, why = order.chosen(np.array([each.taken for each in shown.classes]).reshape(-1, len(SPLITS)), now_usable)
    return SnapshotPlan(
        columns=columns,
        draw=decided,
        preview=shown,
        seed=seed,
        rows=rows,
        why=why,
        fingerprint=_fingerprint(project_id, shown, columns, decided, rows, seed),
        summary=_summary(shown),
    )


def freeze(
    session: Session,
    *,
    project_id: int,
    lower: int,
    upper: int,
    include_small: bool = False,
    seed: int = 0,
    view_id: int | None = None,
    user_id: int | None = None,
    plan: SnapshotPlan | None = None,
) -> Snapshot:
    """Draws splits and writes the snapshot, or gives the one that holds the same. Needs a write session.

    A `plan` made a moment ago in a read session keeps the lock short; it is made again here if somebody else drew
    splits meanwhile. Raises InvalidInput when no class reaches the lower cutoff.
    """
    _one_at_a_time(session, project_id)
    if plan is None or not _is_current(session, project_id, plan):
        plan = make_plan(
            session,
            project_id=project_id,
            lower=lower,
            upper=upper,
            include_small=include_small,
            seed=seed,
            view_id=view_id,
        )
    _apply(session, plan.columns, plan.draw)
    if not plan.preview.included:
        closest = min((each.needs for each in plan.preview.classes), default=lower)
        raise InvalidInput(
            f"No class has {lower} usable images; the closest one needs {closest} more. Label more images or"
            " lower the cutoff.",
            code="no_class_included",
        )
    known = session.scalar(
        select(Snapshot).where(Snapshot.project_id == project_id, Snapshot.fingerprint == plan.fingerprint)
    )
    return known or _insert(session, project_id, plan, user_id)


def _one_at_a_time(session: Session, project_id: int) -> None:
    """Draws of one project wait for each other (SQLite: the write lock does it)."""
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update())


def _is_undrawn(session: Session, plan: SnapshotPlan) -> bool:
    """Whether every image that the plan gives a split still has none."""
    ids = plan.columns.id[plan.draw.drawn].tolist()
    taken = select(Image.id).where(Image.id.in_(id_rows(session, ids)), Image.split.is_not(None)).limit(1)
    return not ids or session.scalar(taken) is None


def _is_current(session: Session, project_id: int, plan: SnapshotPlan) -> bool:
    """Whether nobody drew splits, and no classes were merged or parted for a while, since the plan was made."""
    return _is_undrawn(session, plan) and plan.preview.trained_as == queries.trained_as(session, project_id)


def _apply(session: Session, columns: ImageColumns, decided: Draw) -> None:
    for place, split in enumerate(SPLITS):
        ids = columns.id[decided.drawn & (decided.split == place)].tolist()
        if ids:
            rows = Image.id.in_(id_rows(session, ids))
            session.execute(update(Image).where(rows, Image.split.is_(None)).values(split=split))
    if leaked := columns.id[decided.leaked].tolist():
        session.execute(update(Image).where(Image.id.in_(id_rows(session, leaked))).values(leaked=True))


def check_cutoffs(lower: int, upper: int) -> None:
    """Raises InvalidInput for cutoffs that make no sense."""
    if not 1 <= lower <= upper <= LARGEST_CUTOFF:
        raise InvalidInput(
            f"Cutoffs are whole numbers with 1 ≤ lower ≤ upper ≤ {LARGEST_CUTOFF:,}; received {lower} and {upper}."
        )


def _fingerprint(project_id: int, shown: Preview, columns: ImageColumns, decided: Draw, rows: Ints, seed: int) -> str:
    """SHA-256 over the cutoffs, the included classes and, by ascending id, each image's label, split and rotation."""
    head = {
        "project": project_id,
        "lower": shown.lower,
        "upper": shown.upper,
        "include_small": shown.include_small,
        "seed": seed,
        "classes": [[each.class_id, each.name] for each in shown.included],
    }
    if shown.view:
        head["view"] = shown.view.query
    if shown.trained_as:
        head["trained_as"] = {str(class_id): as_id for class_id, as_id in sorted(shown.trained_as.items())}
    digest = hashlib.sha256(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
    parts = (columns.id, columns.class_id, columns.sub_class_id, decided.split, columns.rotation)
    table = np.stack([part[rows] for part in parts], axis=1)
    digest.update(table.astype("<i8").tobytes())
    return digest.hexdigest()


def _summary(shown: Preview) -> dict[str, object]:
    total = max(shown.total, 1)
    return {
        "asked": dict(zip(SPLITS, SHARES, strict=True)),
        "obtained": {split: count / total for split, count in zip(SPLITS, shown.taken, strict=True)},
        "images": dict(zip(SPLITS, shown.taken, strict=True)),
        "left_out": shown.left_out,
        "view": {"name": shown.view.name, "query": shown.view.query} if shown.view else None,
        "trained_as": {str(class_id): as_id for class_id, as_id in shown.trained_as.items()},
        "origins": {str(each.class_id): list(each.origins) for each in shown.classes if sum(each.origins)},
        "train_origins": {str(each.class_id): list(each.train_origins) for each in shown.included},
        "sub_classes": [
            {
                "class_id": each.class_id,
                "sub_class_id": each.sub_class_id,
                "name": each.name,
                "usable": each.usable,
                "taken": list(each.taken),
            }
            for each in shown.sub_classes
        ],
    }


def _insert(session: Session, project_id: int, plan: SnapshotPlan, user_id: int | None) -> Snapshot:
    shown = plan.preview
    snapshot = Snapshot(
        project_id=project_id,
        fingerprint=plan.fingerprint,
        lower_cutoff=shown.lower,
        upper_cutoff=shown.upper,
        include_small=shown.include_small,
        seed=plan.seed,
        images=len(plan.rows),
        classes=len(shown.included),
        summary=plan.summary,
        created_by=user_id,
        created_at=now(),
    )
    session.add(snapshot)
    session.flush()
    positions = {each.class_id: place for place, each in enumerate(shown.included)}
    session.connection().execute(
        insert(SnapshotClass),
        [_class_row(snapshot.id, each, positions.get(each.class_id)) for each in shown.classes],
    )
    columns, rows = plan.columns, plan.rows
    values = zip(
        columns.id[rows].tolist(),
        columns.class_id[rows].tolist(),
        columns.sub_class_id[rows].tolist(),
        plan.draw.split[rows].tolist(),
        columns.rotation[rows].tolist(),
        plan.why,
        strict=True,
    )
    session.connection().execute(
        insert(SnapshotImage),
        [
            {
                "snapshot_id": snapshot.id,
                "image_id": image_id,
                "class_id": class_id,
                "sub_class_id": sub_class_id or None,
                "split": SPLITS[split],
                "rotation": rotation,
                "why": why,
            }
            for image_id, class_id, sub_class_id, split, rotation, why in values
        ],
    )
    return snapshot


def _class_row(snapshot_id: int, shown: ClassPreview, position: int | None) -> dict[str, object]:
    train, validation, test = shown.taken
    return {
        "snapshot_id": snapshot_id,
        "class_id": shown.class_id,
        "name": shown.name,
        "position": position,
        "usable": shown.usable,
        "needs": shown.needs,
        "train": train,
        "validation": validation,
        "test": test,
        "measured": shown.measured,
    }
