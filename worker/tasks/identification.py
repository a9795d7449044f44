"""Bulk identification as background work."""

from __future__ import annotations

from app.identification.work import identify
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="identification.identify")
def identify_images(run_id: int) -> None:
    """Score a selection of images by a version."""
    execute_run(run_id, identify)
