"""Embedding as background work."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from app.core.storage import get_storage
from app.embeddings.alike import look_for_alikes
from app.embeddings.clusters import cluster_library
from app.embeddings.keeping import clean_embeddings, request_due_cleanings
from app.embeddings.maps import draw_map
from app.embeddings.reference import change_reference
from app.embeddings.subjects import measure_subjects
from app.embeddings.work import embed_library
from worker.celery_app import celery_app
from worker.execution import execute_run


@celery_app.task(name="embeddings.embed")
def embed(run_id: int) -> None:
    """Embed the whole library by the project's reference trunk, or by the trunk asked for."""
    execute_run(run_id, embed_library)


@celery_app.task(name="embeddings.cluster")
def cluster(run_id: int) -> None:
    """Give every embedded image its cluster."""
    execute_run(run_id, cluster_library)


@celery_app.task(name="embeddings.map")
def map_(run_id: int) -> None:
    """Draw the library on a plane."""
    execute_run(run_id, draw_map)


@celery_app.task(name="embeddings.duplicates")
def search_alikes(run_id: int) -> None:
    """Propose duplicates by embedding."""
    execute_run(run_id, look_for_alikes)


@celery_app.task(name="embeddings.subjects")
def subjects(run_id: int) -> None:
    """Measure how much of each image the reference trunk is active in."""
    execute_run(run_id, measure_subjects)


@celery_app.task(name="embeddings.reference")
def reference(run_id: int) -> None:
    """Embed the library by another trunk and make it the project's reference trunk."""
    execute_run(run_id, lambda context: change_reference(context, _pretrained_trunk))


def _pretrained_trunk(architecture: str, input_size: int) -> int:
    # TensorFlow is imported in the child alone: one forked from a parent that has it loaded would hang.
    from worker.tasks.trunk_files import starting_trunk

    with TemporaryDirectory(dir=get_storage().root) as folder:
        return starting_trunk(architecture, input_size, Path(folder)).id


@celery_app.task(name="embeddings.clean")
def clean(run_id: int) -> None:
    """Drop embeddings that nothing keeps."""
    execute_run(run_id, clean_embeddings)


@celery_app.task(name="embeddings.request_cleanings")
def request_cleanings() -> None:
    """Ask for a clean-up wherever one is due."""
    request_due_cleanings()
