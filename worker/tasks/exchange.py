"""Looks at imports before they begin; exports; relabelling by CSV."""

from __future__ import annotations

from app.exchange.comparing import compare
from app.exchange.exporting import run_export
from app.exchange.exports import sweep_exports
from app.exchange.previews import look
from app.exchange.relabelling import relabel
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="exchange.preview")
def preview_import(run_id: int) -> None:
    """Look at what an import would bring."""
    execute_run(run_id, look)


@celery_app.task(name="exchange.export")
def export(run_id: int) -> None:
    """Make the file of an export."""
    execute_run(run_id, run_export)


@celery_app.task(name="exchange.compare")
def compare_table(run_id: int) -> None:
    """Compare an edited CSV file with the labels as they are."""
    execute_run(run_id, compare)


@celery_app.task(name="exchange.relabel")
def relabel_by_table(run_id: int) -> None:
    """Apply what a comparison found."""
    execute_run(run_id, relabel)


@celery_app.task(name="exchange.sweep_exports")
def delete_expired_exports() -> int:
    """Delete what has expired."""
    return sweep_exports()
