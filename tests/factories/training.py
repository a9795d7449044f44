"""Labelled photos ready to train on, and training runs done in this process."""

from __future__ import annotations

import hashlib
from typing import Any

from app.core.clock import now
from app.core.database import write
from app.core.storage import PackWriter, get_storage
from app.imaging.processing import process
from app.library.service import insert_images
from app.projects.models import Project
from app.runs.models import Run
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from tests.factories.datasets import make_class
from tests.factories.runs import reread
from tests.photos import Photo, photos


def project_of_photos(labels: dict[str, int], *, lower: int = 8, upper: int = 100) -> tuple[int, dict[str, int]]:
    """A project with so many real photos of each label, labelled; its id and the classes by name."""
    with write() as session:
        project = Project(slug="groceries", name="Groceries", created_at=now(), lower_cutoff=lower, upper_cutoff=upper)
        session.add(project)
        session.flush()
        project_id = project.id
        classes = {label: make_class(session, project_id, label) for label in labels}
    for label, count in labels.items():
        add_photos(project_id, photos(count, label=label), class_id=classes[label], state="labelled")
    return project_id, classes


def add_photos(project_id: int, chosen: list[Photo], **values: Any) -> list[int]:
    """These photos in the library with their renditions; ids ascending."""
    packs = PackWriter(get_storage())
    rows = []
    for photo in chosen:
        place = packs.append(process(photo.image_bytes).rendition)
        rows.append(
            {
                "sha256": hashlib.sha256(photo.image_bytes).hexdigest(),
                "file_name": f"{photo.sub_label}.jpg",
                "byte_count": len(photo.image_bytes),
                "rendition_pack": place.pack,
                "rendition_offset": place.offset,
                "rendition_length": place.length,
                "extra": {},
                "created_at": now(),
                **values,
            }
        )
    packs.close()
    with write() as session:
        return sorted(insert_images(session, project_id, rows).values())


def trained(project_id: int, **asked: Any) -> Run:
    """Ask for a training run and do it now; the run as it ended."""
    return trained_again(start_training(TrainingRequest(project_id=project_id, **asked)))


def trained_again(run_id: int) -> Run:
    """Do a queued training run now; the run as it ended."""
    from worker.execution import execute_run
    from worker.tasks.training_steps import train_version  # TensorFlow only where a test trains

    execute_run(run_id, train_version)
    return reread(run_id)
