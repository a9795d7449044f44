"""Notes on images: append-only, shown with the image's history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.core.database import insert_into
from app.labelling.queue_models import ImageNote
from app.library.service import get_image

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote about an image."""

    id: int
    by: str
    text: str
    at: datetime


def add_note(
    session: Session, *, project_id: int, user_id: int, image_id: int, text: str, request_key: str | None = None
) -> None:
    """Keep a note; the same request key keeps one only. Raises NotFound for an image of another project."""
    get_image(session, image_id, project_id)
    row = {"project_id": project_id, "image_id": image_id, "user_id": user_id, "text": text}
    written = insert_into(session, ImageNote).on_conflict_do_nothing(index_elements=["request_key"])
    session.connection().execute(written, [row | {"request_key": request_key, "at": now()}])


def notes_on(session: Session, project_id: int, image_ids: Sequence[int]) -> dict[int, list[Note]]:
    """The notes on a few images of the project, by image, the newest first, up to SHOWN of each."""
    rows = session.execute(
        select(ImageNote.image_id, ImageNote.id, User.name, ImageNote.text, ImageNote.at)
        .join(User, User.id == ImageNote.user_id)
        .where(ImageNote.image_id.in_(image_ids), ImageNote.project_id == project_id)
        .order_by(ImageNote.image_id, ImageNote.id.desc())
    )
    found: dict[int, list[Note]] = defaultdict(list)
    for image_id, note_id, by, words, at in rows:
        if len(found[image_id]) < SHOWN:
            found[image_id].append(Note(note_id, by, words, at))
    return dict(found)
