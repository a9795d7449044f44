"""Images, classes and groups as rows, for tests of splits, snapshots and benchmark sets."""

import hashlib
from itertools import count
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.core.clock import now
from app.labelling.models import LabelClass, SubClass
from app.library.models import CaptureGroup, DuplicateGroup, Image
from app.projects.models import Project

_numbers = count(1)


def make_project(session: Session, **values: Any) -> int:
    number = next(_numbers)
    project = Project(**{"slug": f"project-{number}", "name": f"Project {number}", "created_at": now(), **values})
    session.add(project)
    session.flush()
    return project.id


def make_class(session: Session, project_id: int, name: str = "") -> int:
    made = LabelClass(project_id=project_id, name=name or f"class {next(_numbers)}", created_at=now())
    session.add(made)
    session.flush()
    return made.id


def make_sub_class(session: Session, class_id: int, name: str = "") -> int:
    made = SubClass(class_id=class_id, name=name or f"sub-class {next(_numbers)}")
    session.add(made)
    session.flush()
    return made.id


def make_duplicate_group(session: Session, project_id: int) -> int:
    made = DuplicateGroup(project_id=project_id, created_at=now())
    session.add(made)
    session.flush()
    return made.id


def make_capture_group(session: Session, project_id: int) -> int:
    made = CaptureGroup(project_id=project_id, key=f"session {next(_numbers)}")
    session.add(made)
    session.flush()
    return made.id


def image_row(project_id: int, class_id: int | None = None, **values: Any) -> dict[str, Any]:
    """One image's columns: labelled with `class_id`, or in the pool without one."""
    number = next(_numbers)
    return {
        "project_id": project_id,
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "state": "pool" if class_id is None else "labelled",
        "class_id": class_id,
        "file_name": f"photo-{number}.jpg",
        "byte_count": 1000,
        "created_at": now(),
        **values,
    }


def make_images(
    session: Session, project_id: int, images: int, class_id: int | None = None, **values: Any
) -> list[int]:
    """Images with the same label and flags; their ids."""
    rows = [image_row(project_id, class_id, **values) for _ in range(images)]
    return list(session.scalars(insert(Image).returning(Image.id, sort_by_parameter_order=True), rows))
