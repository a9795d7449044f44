"""Images with real renditions, and the work of runs done in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from app.core.clock import now
from app.core.database import Json, write
from app.core.storage import PackWriter, get_storage
from app.imaging.processing import process
from app.library.service import insert_images
from app.predictions.service import finish_job, open_job, store
from app.registry.queries import version_classes
from app.runs.models import Run
from app.runs.service import request_run
from tests.factories.runs import reread
from tests.photos import photos
from worker.execution import RunContext, execute_run

SPREAD = 120


def photo_images(project_id: int, count: int, *, start: int = 0, **values: Any) -> list[int]:
    """`count` real photos in the library, with thumbnail and rendition; ids ascending.

    They are those from `start` on among SPREAD photos of all classes, so that two calls can share none.
    """
    packs = PackWriter(get_storage())
    rows = []
    for number, photo in enumerate(photos(SPREAD)[start : start + count]):
        processed = process(photo.image_bytes)
        thumbnail, rendition = packs.append(processed.thumbnail), packs.append(processed.rendition)
        rows.append(
            {
                "sha256": hashlib.sha256(photo.image_bytes).hexdigest(),
                "file_name": f"{photo.sub_label}-{number:04}.jpg",
                "byte_count": len(photo.image_bytes),
                "format": processed.format,
                "width": processed.width,
                "height": processed.height,
                "sharpness": processed.sharpness,
                "brightness": processed.brightness,
                "contrast": processed.contrast,
                "thumbnail_pack": thumbnail.pack,
                "thumbnail_offset": thumbnail.offset,
                "thumbnail_length": thumbnail.length,
                "rendition_pack": rendition.pack,
                "rendition_offset": rendition.offset,
                "rendition_length": rendition.length,
                "extra": {},
                "created_at": now(),
                **values,
            }
        )
    packs.close()
    with write() as session:
        return sorted(insert_images(session, project_id, rows).values())


def run_now(project_id: int, kind: str, parameters: Json, work: Callable[[RunContext], None], **options: Any) -> Run:
    """Request a run and do its work at once; the run as it ended."""
    with write() as session:
        run_id = request_run(session, project_id=project_id, kind=kind, title=kind, parameters=parameters, **options)
    execute_run(run_id, work)
    return reread(run_id)


def identify_as(project_id: int, version_id: int, image_ids: list[int], scores: list[list[float]]) -> None:
    """A finished identification of these images with these scores (images, classes)."""
    with write() as session:
        run_id = request_run(
            session, project_id=project_id, kind="identification.identify", title="Identify", parameters={}
        )
        job_id = open_job(
            session, project_id=project_id, run_id=run_id, version_id=version_id, purpose="identification"
        )
        store(session, job_id, version_classes(session, version_id), image_ids, np.array(scores, np.float32))
        finish_job(session, job_id, images=len(image_ids))
