"""Training. TensorFlow is imported inside the task: a child forked from a parent that has it loaded would hang."""

from __future__ import annotations

from app.training.ends import tell_ends
from app.training.recipe_starts import start_due
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="training.train")
def train(run_id: int) -> None:
    """Train a version on its snapshot."""
    from worker.tasks.training_steps import train_version

    execute_run(run_id, train_version)


@celery_app.task(name="training.compress")
def compress(run_id: int) -> None:
    """Make a smaller version of a version."""
    from worker.tasks.compression_steps import compress_version

    execute_run(run_id, compress_version)


@celery_app.task(name="training.preview_augmentation")
def preview_augmentation(run_id: int) -> None:
    """Show what augmentation does to a few images."""
    from worker.tasks import preview_steps

    execute_run(run_id, preview_steps.preview_augmentation)


@celery_app.task(name="training.compare_mirrored")
def compare_mirrored(run_id: int) -> None:
    """Look whether mirrored images are more like another class."""
    from worker.tasks import mirror_steps

    execute_run(run_id, mirror_steps.compare_mirrored)


@celery_app.task(name="training.recipes")
def look_after_recipes() -> int:
    """Start the recipes that are due, and tell how training runs ended."""
    return start_due() + tell_ends()
