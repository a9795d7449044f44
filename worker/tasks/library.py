"""Imports, searches for duplicates, capture groups."""

from __future__ import annotations

from app.exchange.importing import run_import
from app.library.proposing import look_for_duplicates
from app.library.regrouping import group_captures
from worker.celery_app import celery_app
from worker.execution import execute_run

__all__ = ["import_images", "run_import"]


@celery_app.task(name="library.import")
def import_images(run_id: int) -> None:
    """Import a folder, an archive, an upload, object storage or a list of addresses."""
    execute_run(run_id, run_import)


@celery_app.task(name="library.duplicates")
def search_duplicates(run_id: int) -> None:
    """Propose duplicates in the whole library by perceptual hash."""
    execute_run(run_id, look_for_duplicates)


@celery_app.task(name="library.capture")
def capture_groups(run_id: int) -> None:
    """Put images that are here into capture groups, by folder or by a metadata column."""
    execute_run(run_id, group_captures)
