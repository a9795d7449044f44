"""Acts on more images than one transaction takes."""

from __future__ import annotations

from app.labelling.large_acts import act, undo_large
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="labelling.act")
def act_on_many(run_id: int) -> None:
    """Do an act on all that match a filter."""
    execute_run(run_id, act)


@celery_app.task(name="labelling.undo")
def undo_many(run_id: int) -> None:
    """Take a large act back."""
    execute_run(run_id, undo_large)
