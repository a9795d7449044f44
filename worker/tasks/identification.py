"""Bulk identification as background work."""

from __future__ import annotations

from app.identification.assisting import assist
from app.identification.catching_up import catch_up
from app.identification.work import identify
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="identification.identify")
def identify_images(run_id: int) -> None:
    """Score a selection of images by a version."""
    execute_run(run_id, identify)


@celery_app.task(name="identification.assist")
def assist_identification(run_id: int) -> None:
    """Work on chunks of another run's selection."""
    execute_run(run_id, assist)


@celery_app.task(name="identification.catch_up")
def catch_up_standing() -> int:
    """Look for images that standing identification has missed."""
    return catch_up()
