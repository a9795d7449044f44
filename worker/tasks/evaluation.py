"""Evaluation as a task."""

from __future__ import annotations

from app.evaluation.work import evaluate
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="evaluation.evaluate")
def evaluate_version(run_id: int) -> None:
    """Score a version on its splits and on the benchmark sets."""
    execute_run(run_id, evaluate)
