"""A project with real photos and all that an export can carry, and the same read back from another project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import aliased

from app.core.database import read, write
from app.core.storage import get_storage
from app.exchange.exporting import run_export
from app.exchange.exports import request_export, stored_path
from app.exchange.schemas import ExportRequest
from app.labelling.classes import ensure_class
from app.labelling.models import LabelClass, SubClass
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from app.library.metadata import record_metadata
from app.library.models import CaptureGroup, Image
from app.runs.models import Run
from tests.factories import labelling
from tests.factories.library import get_run
from tests.factories.predictions import SPREAD, photo_images
from tests.photos import photos
from worker.execution import execute_run

NAMES = ('=Löwe, "alt"', "a/b\\c", "日本語 🦁", "'=quoted", "x" * 120)


def stocked(name: str = "Big cats") -> tuple[int, int, list[int]]:
    """Project, user and images: five labelled under awkward names, one unknown, one of no class, one in the pool."""
    with write() as session:
        place = labelling.workplace(session, name)
    ids = photo_images(place.project_id, 8, format="jpeg")
    for photo in photos(SPREAD)[:8]:
        get_storage().put_blob(photo.image_bytes)
    with write() as session:
        changes = []
        for image_id, class_name in zip(ids, NAMES, strict=False):
            class_id, sub_id = ensure_class(session, place.project_id, class_name, f"sub {class_name}"[:100])
            changes.append(Change(image_id, class_id=class_id, sub_class_id=sub_id, quality="good", rotation=90))
        changes += [Change(ids[5], to_state="unknown"), Change(ids[6], to_state="none", quality="dark")]
        who: dict[str, Any] = {"project_id": place.project_id, "user_id": place.ann, "how": "manual"}
        apply_labels(session, **who, changes=changes, kind="label", summary="labels")
        group = CaptureGroup(project_id=place.project_id, key="group:site, one")
        session.add(group)
        session.flush()
        values = {"capture_group_id": group.id, "is_small_subject": True, "split": "test"}
        session.execute(update(Image).where(Image.id.in_(ids[:2])).values(**values))
        session.execute(update(Image).where(Image.id == ids[2]).values(split="train", origin="staged"))
        record_metadata(session, place.project_id, {ids[0]: {"site": "=marsh, north", "file": "odd"}})
    return place.project_id, place.ann, ids


def export_now(project_id: int, user_id: int | None = None, **asked: Any) -> Run:
    """Ask for an export and do it here and now; the run as it ended."""
    with write() as session:
        request = ExportRequest.model_validate(asked)
        run_id = request_export(session, project_id=project_id, user_id=user_id, request=request)
    execute_run(run_id, run_export)
    return get_run(run_id)


def file_of(run: Run) -> Path:
    """The file that an export made."""
    assert run.result, run.error_message
    return stored_path(run.id, run.result["suffix"])


def carried(project_id: int) -> dict[str, tuple[object, ...]]:
    """What every format carries of each image, by digest."""
    sub_class = aliased(SubClass)
    fields = (Image.state, LabelClass.name, sub_class.name, Image.quality, Image.rotation, Image.split, Image.origin)
    query = (
        select(Image.sha256, *fields, Image.is_small_subject, CaptureGroup.key)
        .outerjoin(LabelClass, LabelClass.id == Image.class_id)
        .outerjoin(sub_class, sub_class.id == Image.sub_class_id)
        .outerjoin(CaptureGroup, CaptureGroup.id == Image.capture_group_id)
        .where(Image.project_id == project_id)
    )
    with read() as session:
        return {row[0]: tuple(row[1:]) for row in session.execute(query)}
