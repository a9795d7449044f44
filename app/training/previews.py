"""Previews of augmentation on the project's own images: asked for here, drawn by a worker, kept for a short while."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import Json
from app.core.errors import InvalidInput, NotFound
from app.core.storage import get_storage
from app.library.models import Image, ImageState
from app.runs.models import Run, RunState
from app.runs.queries import RunView, run_view
from app.runs.service import request_run
from app.training.fit_settings import Augmentation

KIND: Final = "training.preview_augmentation"
IMAGES: Final = 8
DRAWS: Final = 5
SIZE: Final = 160
"""Side of a previewed image in pixels."""
_KEPT: Final = 12
"""Previews that stay at hand; older ones are deleted as new ones come."""
_FOLDER: Final = "previews"


class PreviewRequest(BaseModel):
    """What is to be shown: the changes, of which class (None: of several), and which draw of images and changes.

    `mixup` and `cutmix` as in `FitSettings`: each image takes a part of the one before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    augmentation: Augmentation
    mixup: float = Field(0.0, ge=0, le=2)
    cutmix: float = Field(0.0, ge=0, le=2)
    class_id: int | None = Field(None, ge=1, le=2**62)
    seed: int = Field(0, ge=0, le=2**31 - 1)


def request_preview(session: Session, *, project_id: int, user_id: int | None, request: PreviewRequest) -> int:
    """Queue a preview, or give the one of the same kind that is there or under way; its run's id.

    Needs a write session. Raises InvalidInput where no image is fit to be shown.
    """
    image_ids = _choose(session, project_id, request)
    if not image_ids:
        raise InvalidInput("A preview needs labelled images; there are none here.", code="no_images")
    parameters = {**request.model_dump(mode="json"), "image_ids": list(image_ids)}
    fingerprint = hashlib.sha256(json.dumps([KIND, project_id, parameters], sort_keys=True).encode()).hexdigest()
    alike = select(Run.id, Run.state).where(Run.fingerprint == fingerprint, Run.project_id == project_id)
    for run_id, state in session.execute(alike.order_by(Run.id.desc()).limit(1)):
        is_there = state == RunState.SUCCEEDED and folder_of(run_id).is_dir()
        if is_there or state in {RunState.QUEUED, RunState.RUNNING}:
            return run_id
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title="Preview of augmentation",
        parameters=parameters,
        created_by=user_id,
        fingerprint=fingerprint,
    )


def get_preview(session: Session, run_id: int, project_id: int) -> RunView:
    """A preview's run. Raises NotFound."""
    run = run_view(session, run_id, project_id)
    if run.kind != KIND:
        raise NotFound(f"no preview {run_id} in this project")
    return run


def preview_file(session: Session, run_id: int, project_id: int, *, image_id: int, draw: int) -> Path:
    """One picture of a preview; draw 0 is the image unchanged.

    Raises NotFound for a picture that never was, has made room, or whose image has since been removed.
    """
    run = get_preview(session, run_id, project_id)
    state = session.scalar(select(Image.state).where(Image.id == image_id, Image.project_id == project_id))
    path = picture_path(run_id, image_id, draw)
    if image_id not in run.parameters["image_ids"] or state in {None, ImageState.REMOVED} or not path.is_file():
        raise NotFound("this preview is no longer there; ask for it again")
    return path


def folder_of(run_id: int) -> Path:
    """Where a preview's pictures lie."""
    return get_storage().folder(_FOLDER) / str(run_id)


def picture_path(run_id: int, image_id: int, draw: int) -> Path:
    """Where one picture lies."""
    return folder_of(run_id) / f"{image_id}-{draw}.jpg"


def make_room() -> None:
    """Delete all but the newest previews."""
    folders = [each for each in get_storage().folder(_FOLDER).iterdir() if each.name.isdigit()]
    for old in sorted(folders, key=lambda each: int(each.name))[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _choose(session: Session, project_id: int, request: PreviewRequest) -> Sequence[int]:
    """Labelled images that train: of the class, or one of each of several classes; others for another seed."""
    fit = (
        Image.project_id == project_id,
        Image.state == ImageState.LABELLED,
        Image.is_representative,
        ~Image.in_benchmark,
        Image.rendition_pack.is_not(None),
    )
    if request.class_id is not None:
        of_class = select(Image.id).where(*fit, Image.class_id == request.class_id).order_by(Image.id)
        return _spread(session.scalars(of_class.limit(500)).all(), request.seed)
    first_of_each = select(func.min(Image.id)).where(*fit).group_by(Image.class_id).order_by(Image.class_id)
    chosen = _spread(session.scalars(first_of_each.limit(2000)).all(), request.seed)
    if len(chosen) == IMAGES:
        return chosen
    more = session.scalars(select(Image.id).where(*fit, Image.id.not_in(chosen)).order_by(Image.id).limit(500)).all()
    return sorted([*chosen, *_spread(more, request.seed)[: IMAGES - len(chosen)]])


def _spread(ids: Sequence[int], seed: int) -> list[int]:
    """At most IMAGES of them, evenly; where there are more, another seed begins elsewhere."""
    if len(ids) <= IMAGES:
        return list(ids)
    step = len(ids) / IMAGES
    return sorted({ids[int(place * step + seed) % len(ids)] for place in range(IMAGES)})


def result_of(image_ids: Sequence[int]) -> Json:
    """What a finished preview's run tells."""
    return {"image_ids": list(image_ids), "draws": DRAWS}
