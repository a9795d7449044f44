"""Reading for imports and exports: names that classes go by, previews."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.exchange.models import ImportPreview
from app.labelling.models import ClassAlias, LabelClass
from app.library.models import Image


def class_names_and_aliases(session: Session, project_id: int) -> tuple[list[str], dict[str, str]]:
    """The names of the project's classes in use, and class name by alias."""
    in_use = (LabelClass.project_id == project_id, LabelClass.archived_at.is_(None))
    names = list(session.scalars(select(LabelClass.name).where(*in_use).order_by(LabelClass.name)))
    aliases = select(ClassAlias.name, LabelClass.name).join(LabelClass, LabelClass.id == ClassAlias.class_id)
    return names, dict(session.execute(aliases.where(*in_use)).all())


def has_images(session: Session, project_id: int) -> bool:
    """Whether there is any image at all."""
    return bool(session.scalar(select(exists().where(Image.project_id == project_id))))


def get_preview(session: Session, preview_id: int, project_id: int) -> ImportPreview:
    """A preview of this project. Raises NotFound."""
    found = session.scalar(
        select(ImportPreview).where(ImportPreview.id == preview_id, ImportPreview.project_id == project_id)
    )
    if found is None:
        raise NotFound(f"no import preview {preview_id} in this project")
    return found


def open_previews(session: Session, project_id: int, *, limit: int = 20) -> Sequence[ImportPreview]:
    """Imports that wait for a person, newest first."""
    query = select(ImportPreview).where(ImportPreview.project_id == project_id, ImportPreview.state == "open")
    return session.scalars(query.order_by(ImportPreview.id.desc()).limit(limit)).all()
