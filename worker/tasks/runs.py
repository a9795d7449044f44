"""Housekeeping of runs."""

from __future__ import annotations

from app.runs.claims import sweep
from worker.celery_app import celery_app


@celery_app.task(name="runs.sweep")
def sweep_runs() -> int:
    """Requeue what was lost, announce what waits."""
    return sweep()
