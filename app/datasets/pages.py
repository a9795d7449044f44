"""Pages of data sets: cutoffs with a live preview, snapshots."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.core.database import read, write
from app.datasets import queries
from app.datasets.forms import Cutoffs
from app.datasets.schemas import SHARES, SPLITS, Preview
from app.datasets.service import freeze, make_plan, preview
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/datasets", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
SnapshotId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]

PAGE = 20


@router.get("")
def datasets_page(request: Request, access: Viewer, before: Key = None) -> Response:
    """What a snapshot would hold now under cutoffs that one moves, and the snapshots there are."""
    cutoffs = parsed(Cutoffs, request.query_params)
    with read() as session:
        shown = _preview(session, access, cutoffs)
        snapshots = queries.snapshot_list(session, access.project.id, before=before, limit=PAGE + 1)
    older = snapshots[PAGE - 1].id if len(snapshots) > PAGE else None
    return render(
        request,
        "datasets/datasets.html",
        active="datasets",
        preview=shown,
        snapshots=snapshots[:PAGE],
        before=before,
        older=older,
        **_asked(),
    )


@router.get("/preview")
def preview_part(request: Request, access: Viewer) -> Response:
    """The preview alone, for cutoffs as they are moved."""
    cutoffs = parsed(Cutoffs, request.query_params)
    with read() as session:
        shown = _preview(session, access, cutoffs)
    return render(request, "datasets/_preview.html", preview=shown, **_asked())


@router.get("/totals")
def totals_part(request: Request, access: Viewer) -> Response:
    """One line of what the cutoffs take, for the form that starts a run."""
    cutoffs = parsed(Cutoffs, request.query_params)
    with read() as session:
        shown = _preview(session, access, cutoffs)
    return render(request, "datasets/_totals.html", preview=shown)


@router.post("")
def make_snapshot(access: Engineer, form: FormFields) -> Response:
    """Freeze a snapshot; an unchanged one is used again."""
    cutoffs = parsed(Cutoffs, form)
    lower, upper = _bounds(access, cutoffs)
    choices: dict[str, Any] = {
        "lower": lower,
        "upper": upper,
        "include_small": cutoffs.include_small,
        "seed": cutoffs.seed,
        "view_id": cutoffs.view_id,
    }
    with read() as session:
        plan = make_plan(session, project_id=access.project.id, **choices)
    with write() as session:
        snapshot = freeze(session, project_id=access.project.id, user_id=access.user_id, plan=plan, **choices)
        snapshot_id = snapshot.id
    return redirect(f"/projects/{access.project.slug}/datasets/{snapshot_id}", f"Snapshot {snapshot_id} is there.")


@router.get("/{snapshot_id}")
def snapshot_page(request: Request, access: Viewer, snapshot_id: SnapshotId) -> Response:
    """A snapshot as it was frozen: classes, splits asked for and obtained, sub-classes, what was left out."""
    with read() as session:
        shown = queries.snapshot_view(session, snapshot_id, access.project.id)
    return render(request, "datasets/snapshot.html", active="datasets", snapshot=shown, **_asked())


def _asked() -> dict[str, Any]:
    return {"asked": dict(zip(SPLITS, SHARES, strict=True))}


def _bounds(access: Access, cutoffs: Cutoffs) -> tuple[int, int]:
    lower = cutoffs.lower or access.project.lower_cutoff
    return lower, cutoffs.upper or max(access.project.upper_cutoff, lower)


def _preview(session: Session, access: Access, cutoffs: Cutoffs) -> Preview:
    lower, upper = _bounds(access, cutoffs)
    return preview(
        session,
        access.project.id,
        lower,
        upper,
        include_small=cutoffs.include_small,
        seed=cutoffs.seed,
        view_id=cutoffs.view_id,
    )
