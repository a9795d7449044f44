"""Acts on many results of an identification: planned, done, and how scores lie."""

from __future__ import annotations

from app.identification.binning import count_bins
from app.identification.sweeping import plan, sweep
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="identification.plan")
def plan_act(run_id: int) -> None:
    """Find what an act would change, and freeze it."""
    execute_run(run_id, plan)


@celery_app.task(name="identification.sweep")
def sweep_results(run_id: int) -> None:
    """Do a planned act on more images than one transaction takes."""
    execute_run(run_id, sweep)


@celery_app.task(name="identification.bins")
def count_scores(run_id: int) -> None:
    """Count how a job's scores lie."""
    execute_run(run_id, count_bins)
