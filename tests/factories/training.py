"""Labelled photos ready to train on, and training runs done in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from app.core.clock import now
from app.core.database import write
from app.core.storage import PackWriter, get_storage
from app.imaging.processing import process
from app.library.service import insert_images
from app.projects.models import Project
from app.projects.notice_models import Notice
from app.projects.notices import tell
from app.runs.models import Run
from app.training.recipe_models import Recipe
from app.training.recipe_schemas import RecipeSpec
from app.training.recipes import create_recipe, delete_recipe
from app.training.schemas import TrainingChoices, TrainingRequest
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


def written_recipes(project_id: int, user_id: int, named: Callable[[str], str]) -> dict[str, int]:
    """Three recipes, one of them deleted, and a notice for the user; their ids by what addresses call them."""
    choices = TrainingChoices(start="random", trunk="compact_cnn", lower=2, seed=4)
    with write() as session:
        ids = [
            create_recipe(
                session,
                project_id=project_id,
                spec=RecipeSpec(name=named(name), choices=choices, parent="none"),
                user_id=user_id,
            )
            for name in ("recipe", "spare", "given up")
        ]
        session.get_one(Recipe, ids[0]).held_reason = named("held")
        session.get_one(Recipe, ids[0]).held_at = now()
        delete_recipe(session, ids[2], project_id=project_id)
        told: dict[str, Any] = {"path": "/runs", "tone": "good", "key": "run:1"}
        tell(session, project_id=project_id, user_ids=[user_id], text=named("told"), **told)
        notice_id = session.scalars(select(Notice.id).where(Notice.user_id == user_id)).one()
    named_ids = ("recipe_id", "spare_recipe_id", "deleted_recipe_id")
    return {**dict(zip(named_ids, ids, strict=True)), "notice_id": notice_id}


def trained(project_id: int, **asked: Any) -> Run:
    """Ask for a training run and do it now; the run as it ended."""
    return trained_again(start_training(TrainingRequest(project_id=project_id, **asked)))


def trained_again(run_id: int) -> Run:
    """Do a queued training run now; the run as it ended."""
    from worker.execution import execute_run
    from worker.tasks.training_steps import train_version  # TensorFlow only where a test trains

    execute_run(run_id, train_version)
    return reread(run_id)
