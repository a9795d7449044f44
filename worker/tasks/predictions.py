"""Old results as background work."""

from __future__ import annotations

from app.predictions.dropping import clean_results, request_due_cleanings
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="predictions.clean")
def clean(run_id: int) -> None:
    """Drop results that nothing keeps."""
    execute_run(run_id, clean_results)


@celery_app.task(name="predictions.request_cleanings")
def request_cleanings() -> None:
    """Ask for a clean-up wherever one is due."""
    request_due_cleanings()
