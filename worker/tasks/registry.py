"""What is measured of the trunks."""

from __future__ import annotations

from app.registry.speeds import measure_trunks
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="registry.measure_trunks")
def measure(run_id: int) -> None:
    """Measure how fast trunks train and infer here."""
    execute_run(run_id, measure_trunks)
