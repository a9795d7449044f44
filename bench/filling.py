"""Photos into a library by the product's own path: decode pool, blobs, packs, hashes, then short transactions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from app.core.database import read, write
from app.core.storage import PackWriter, get_storage
from app.imaging.processing import process
from app.library.duplicates import find_near
from app.library.importing import CHUNK_BYTES, CHUNK_FILES
from app.library.intake import take_in
from app.library.models import Image, Origin
from app.library.preparing import Content, Preparer
from app.library.renditions import rendition_bytes
from app.library.schemas import IntakeFile, Places
from app.projects.service import create_project


def make_project(user_id: int | None = None) -> int:
    """An empty project, whose administrator is `user_id`; its id."""
    with write() as session:
        return create_project(session, name="Bench", user_id=user_id).id


def fill_library(project_id: int, contents: Sequence[bytes], preparer: Preparer) -> int:
    """Take files into the pool, part by part as an import run does; returns how many images were added."""
    added = 0
    for start, part in _parts(contents):
        arrived = [Content.of(content) for content in part]
        prepared = preparer.prepare(arrived)
        hashes = [outcome.processed.phash for outcome in prepared.values() if outcome.processed is not None]
        files = [
            IntakeFile(
                name=f"photo_{start + number:06d}.jpg",
                digest=content.digest,
                byte_count=content.byte_count,
                processed=prepared[content.digest].processed,
                places=prepared[content.digest].places,
                undecodable=prepared[content.digest].undecodable,
            )
            for number, content in enumerate(arrived)
        ]
        with read() as session:
            nearby = find_near(session, project_id, hashes)
        with write() as session:
            intake = take_in(
                session, project_id=project_id, batch_id=None, origin=Origin.REAL, files=files, nearby=nearby
            )
        added += intake.added
    return added


def take_one(project_id: int, content: bytes) -> int:
    """Take one file into the pool, decoded in this process; returns how many images were added."""
    arrived = Content.of(content)
    picture = process(content)
    storage = get_storage()
    storage.put_blob(content)
    packs = PackWriter(storage)
    places = Places(packs.append(picture.thumbnail), packs.append(picture.rendition))
    packs.close()
    file = IntakeFile(
        name=f"{arrived.digest[:12]}.jpg",
        digest=arrived.digest,
        byte_count=arrived.byte_count,
        processed=picture,
        places=places,
    )
    with read() as session:
        nearby = find_near(session, project_id, [picture.phash])
    with write() as session:
        return take_in(
            session, project_id=project_id, batch_id=None, origin=Origin.REAL, files=[file], nearby=nearby
        ).added


def _parts(contents: Sequence[bytes]) -> list[tuple[int, list[bytes]]]:
    """The files in parts of the size that an import takes, each with the place of its first file."""
    parts: list[tuple[int, list[bytes]]] = []
    byte_count = 0
    for place, content in enumerate(contents):
        if not parts or len(parts[-1][1]) >= CHUNK_FILES or byte_count > CHUNK_BYTES:
            parts.append((place, []))
            byte_count = 0
        parts[-1][1].append(content)
        byte_count += len(content)
    return parts


def renditions(project_id: int) -> list[bytes]:
    """The model renditions of a project's images, by ascending id."""
    with read() as session:
        image_ids = session.scalars(select(Image.id).where(Image.project_id == project_id).order_by(Image.id))
        return [rendition_bytes(session, image_id) for image_id in image_ids.all()]
