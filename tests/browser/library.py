"""Small libraries of real photos in a running family, and what is stored of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from app.core.database import Json, read, write
from app.labelling.models import LabelClass, LabelEvent
from app.library.models import Image
from app.runs.models import Run, RunState
from app.runs.service import request_run
from tests.factories.library import ask_import, write_files
from tests.factories.projects import make_project
from tests.journeys.installation import wait_until
from tests.photos import photos

LABELLED = {"Apple": 14, "Melon": 13, "Orange": 13}
POOLED = 20


@dataclass(frozen=True, slots=True)
class Fruit:
    """The project of the small library; its classes by name."""

    id: int
    path: str
    classes: dict[str, int]


def fruit_project(folder: Path) -> Fruit:
    """Make the project and import its photos: LABELLED by folder, and POOLED of each class without a label."""
    with write() as session:
        project = make_project(session, "Fruit")
    for label, count in LABELLED.items():
        chosen = [each.image_bytes for each in photos(count + POOLED, label=label)]
        write_files(folder / "labelled" / label, {f"{at:02}.jpg": each for at, each in enumerate(chosen[:count])})
        write_files(folder / "pool", {f"{label.lower()}-{at:02}.jpg": each for at, each in enumerate(chosen[count:])})
    asked = [
        ask_import(project.id, folder / "labelled", format="folders"),
        ask_import(project.id, folder / "pool", format="unlabelled"),
    ]
    for each in asked:
        ended(each.run_id)
    with read() as session:
        rows = session.execute(select(LabelClass.name, LabelClass.id).where(LabelClass.project_id == project.id))
        return Fruit(project.id, f"/projects/{project.slug}", dict(rows.all()))


def ended(run_id: int) -> Run:
    """The run, once a worker of the family has done it; it must succeed."""

    def look() -> Run | None:
        with read() as session:
            run = session.get_one(Run, run_id)
            return None if run.state in (RunState.QUEUED, RunState.RUNNING) else run

    run = wait_until(look)
    assert run is not None
    assert run.state == RunState.SUCCEEDED, run.error_message
    return run


def done_by_worker(project_id: int, kind: str, parameters: Json) -> Json:
    """Ask for a run and wait until a worker of the family has done it; its result."""
    with write() as session:
        run_id = request_run(session, project_id=project_id, kind=kind, title=kind, parameters=parameters)
    return ended(run_id).result or {}


def images(image_ids: list[int]) -> list[Image]:
    """These images as stored now, in this order."""
    with read() as session:
        found = {image.id: image for image in session.scalars(select(Image).where(Image.id.in_(image_ids)))}
        return [found[image_id] for image_id in image_ids]


def label_events(project_id: int) -> list[LabelEvent]:
    """The project's label events, oldest first."""
    with read() as session:
        events = select(LabelEvent).join(Image, Image.id == LabelEvent.image_id)
        return list(session.scalars(events.where(Image.project_id == project_id).order_by(LabelEvent.id)))
