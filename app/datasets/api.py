"""Data sets over the JSON API: what cutoffs would include, freezing, snapshots, what changed between two."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from app.core.database import read, write
from app.datasets import comparing, queries
from app.datasets.forms import Cutoffs, Id
from app.datasets.recount import recount
from app.datasets.schemas import ORIGINS, SHARES, SPLITS, Preview, SnapshotFacts
from app.datasets.service import freeze, make_plan
from app.web.access import Access
from app.web.dependencies import require

router = APIRouter(prefix="/api/v1/projects/{slug}/datasets", tags=["data sets"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
SnapshotId = Annotated[int, Path(ge=1, le=2**62)]


class ClassOut(BaseModel):
    """A class under cutoffs: `needs` images more for the lower one, `taken` by split, training images by origin."""

    class_id: int
    name: str
    usable: int
    needs: int
    origins: dict[str, int]
    taken: dict[str, int]
    train_origins: dict[str, int]
    measured: bool


class SubClassOut(BaseModel):
    """A sub-class with what is taken of it by split; `missing_from` names the splits that get none."""

    class_id: int
    sub_class_id: int
    name: str
    usable: int
    taken: dict[str, int]
    missing_from: list[str]


class ContentOut(BaseModel):
    """What a snapshot holds or would hold. `obtained` and `asked` are shares of the images, 0 to 1."""

    lower: int
    upper: int
    include_small: bool
    images: int
    taken: dict[str, int]
    asked: dict[str, float]
    obtained: dict[str, float]
    classes: list[ClassOut]
    sub_classes: list[SubClassOut]
    left_out: dict[str, int]
    trained_as: dict[int, int]


class PlanOut(ContentOut):
    """What freezing with these cutoffs would do now. Nothing is written."""

    undrawn: int
    leaked: list[int]


class SnapshotOut(BaseModel):
    """A snapshot; `versions` counts the model versions made from it."""

    id: int
    fingerprint: str
    lower: int
    upper: int
    include_small: bool
    seed: int
    images: int
    classes: int
    created_at: datetime
    created_by: str | None
    versions: int


class SnapshotWithContent(SnapshotOut):
    """A snapshot with its classes."""

    content: ContentOut


@router.get("/plan")
def get_plan(access: Viewer, asked: Annotated[Cutoffs, Query()]) -> PlanOut:
    """What a snapshot with these cutoffs would hold now."""
    with read() as session:
        counted = recount(session, access.project.id, asked.choice(access.project))
    return PlanOut(**_content(counted.preview), undrawn=counted.undrawn, leaked=list(counted.leaked_now))


@router.get("/snapshots")
def list_snapshots(
    access: Viewer,
    before: Annotated[Id | None, Query(description="The id that ended the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[SnapshotOut]:
    """Snapshots, newest first."""
    with read() as session:
        found = queries.snapshot_list(session, access.project.id, before=before, limit=limit)
    return [SnapshotOut(**asdict(each)) for each in found]


@router.post("/snapshots", status_code=201)
def freeze_snapshot(access: Engineer, asked: Cutoffs) -> SnapshotWithContent:
    """Freeze a snapshot; an unchanged one is given again."""
    choice = asdict(asked.choice(access.project))
    with read() as session:
        plan = make_plan(session, project_id=access.project.id, **choice)
    with write() as session:
        made = freeze(session, project_id=access.project.id, user_id=access.user_id, plan=plan, **choice)
        snapshot_id = made.id
    return get_snapshot(access, snapshot_id)


@router.get("/snapshots/{snapshot_id}")
def get_snapshot(access: Viewer, snapshot_id: SnapshotId) -> SnapshotWithContent:
    """One snapshot with its classes and sub-classes."""
    with read() as session:
        shown = queries.snapshot_view(session, snapshot_id, access.project.id)
    return SnapshotWithContent(**_facts(shown.facts), content=ContentOut(**_content(shown.content)))


@router.get("/compare")
def compare_snapshots(
    access: Viewer, earlier: Annotated[Id, Query()], later: Annotated[Id, Query()]
) -> comparing.Comparison:
    """What came, went and changed from one snapshot to another."""
    with read() as session:
        return comparing.compare(session, access.project.id, earlier_id=earlier, later_id=later)


def _facts(facts: SnapshotFacts) -> dict[str, Any]:
    return asdict(facts)


def _content(shown: Preview) -> dict[str, Any]:
    total = max(shown.total, 1)
    return {
        "lower": shown.lower,
        "upper": shown.upper,
        "include_small": shown.include_small,
        "images": shown.total,
        "taken": _by_split(shown.taken),
        "asked": dict(zip(SPLITS, SHARES, strict=True)),
        "obtained": {split: count / total for split, count in zip(SPLITS, shown.taken, strict=True)},
        "classes": [
            ClassOut(
                class_id=each.class_id,
                name=each.name,
                usable=each.usable,
                needs=each.needs,
                origins=dict(zip(ORIGINS, each.origins, strict=True)),
                taken=_by_split(each.taken),
                train_origins=dict(zip(ORIGINS, each.train_origins, strict=True)),
                measured=each.measured,
            )
            for each in shown.classes
        ],
        "sub_classes": [
            SubClassOut(
                class_id=each.class_id,
                sub_class_id=each.sub_class_id,
                name=each.name,
                usable=each.usable,
                taken=_by_split(each.taken),
                missing_from=list(each.missing_from),
            )
            for each in shown.sub_classes
        ],
        "left_out": shown.left_out,
        "trained_as": shown.trained_as,
    }


def _by_split(counts: tuple[int, int, int]) -> dict[str, int]:
    return dict(zip(SPLITS, counts, strict=True))
