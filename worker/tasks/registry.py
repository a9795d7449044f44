"""What is measured of the trunks."""

from __future__ import annotations

from app.registry.speeds import measure_trunks
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="registry.measure_trunks")
def measure(run_id: int) -> None:
    """Measure how fast trunks train and infer here."""
    execute_run(run_id, measure_trunks)


@celery_app.task(name="registry.measure_engines")
def choose(run_id: int) -> None:
    """Find the fastest engine for a version here that answers as the trained network does."""
    from worker.tasks.engine_steps import measure_engines

    execute_run(run_id, measure_engines)
