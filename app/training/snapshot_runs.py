"""The training runs of a snapshot, as the snapshot's page shows them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import select
from starlette.responses import Response

from app.core.database import read
from app.datasets.queries import get_snapshot
from app.runs.queries import runs_by_id
from app.training.models import TrainingRun
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/training/of-snapshot", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
SnapshotId = Annotated[int, Path(ge=1, le=2**62)]
_MOST: Final = 50


@router.get("/{snapshot_id}")
def runs_of_snapshot(request: Request, access: Viewer, snapshot_id: SnapshotId) -> Response:
    """Runs that train on it, the newest first."""
    with read() as session:
        snapshot = get_snapshot(session, snapshot_id, access.project.id)
        own = select(TrainingRun.run_id).where(TrainingRun.snapshot_id == snapshot.id)
        run_ids = session.scalars(own.order_by(TrainingRun.run_id.desc()).limit(_MOST)).all()
        runs = sorted(runs_by_id(session, run_ids), key=lambda run: -run.id)
    return render(request, "training/_of_snapshot.html", runs=runs)
