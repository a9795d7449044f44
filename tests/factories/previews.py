"""A preview of augmentation that has been drawn, without a worker."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.runs.models import Run
from app.training import previews
from app.training.fit_settings import Augmentation
from tests.factories.runs import ended_run
from tests.photos import photo


def drawn_preview(session: Session, project_id: int, image_id: int) -> int:
    """A preview of one image; its run's id."""
    request = previews.PreviewRequest(augmentation=Augmentation())
    parameters = {**request.model_dump(mode="json"), "image_ids": [image_id]}
    run_id = ended_run(session, project_id=project_id, kind=previews.KIND, title="Preview", parameters=parameters)
    session.execute(update(Run).where(Run.id == run_id).values(result=previews.result_of([image_id])))
    previews.folder_of(run_id).mkdir(parents=True)
    for draw in range(previews.DRAWS + 1):
        previews.picture_path(run_id, image_id, draw).write_bytes(photo(1))
    return run_id
