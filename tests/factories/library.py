"""Images as rows, files to take in, and whole imports, for tests of the library."""

import hashlib
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import read, write
from app.core.storage import PackWriter, digest_of, get_storage
from app.imaging.processing import process
from app.library.imports import request_import
from app.library.models import Image, ImportBatch
from app.library.schemas import ImportRequest, IntakeFile, Places, RequestedImport
from app.library.service import insert_images
from app.runs.models import Run
from worker.execution import execute_run
from worker.tasks.library import run_import

_numbers = count(1)


def add_images(session: Session, project_id: int, number: int = 1, **values: Any) -> list[int]:
    """`number` images without bytes, in the pool unless `values` say otherwise; ids rising."""
    rows = []
    for _ in range(number):
        mark = next(_numbers)
        rows.append(
            {
                "sha256": hashlib.sha256(f"image {mark}".encode()).hexdigest(),
                "file_name": f"photo-{mark:04}.jpg",
                "byte_count": 1000,
                "created_at": now(),
                **values,
            }
        )
    return sorted(insert_images(session, project_id, rows).values())


def add_batch(session: Session, project_id: int, **values: Any) -> int:
    """An import without a run; its id."""
    batch = ImportBatch(
        **{
            "project_id": project_id,
            "name": "photos",
            "kind": "folder",
            "origin": "real",
            "created_at": now(),
            **values,
        }
    )
    session.add(batch)
    session.flush()
    return batch.id


def intake_file(name: str, image_bytes: bytes, **values: Any) -> IntakeFile:
    """A decoded and stored file, ready to be taken in."""
    picture = process(image_bytes)
    storage = get_storage()
    packs = PackWriter(storage)
    places = Places(packs.append(picture.thumbnail), packs.append(picture.rendition))
    packs.close()
    return IntakeFile(
        name=name,
        digest=storage.put_blob(image_bytes),
        byte_count=len(image_bytes),
        processed=picture,
        places=places,
        **values,
    )


def known_file(name: str, image_bytes: bytes, **values: Any) -> IntakeFile:
    """A file whose bytes the library has already."""
    return IntakeFile(name=name, digest=digest_of(image_bytes), byte_count=len(image_bytes), **values)


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Files below a folder, by relative name."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def ask_import(project_id: int, path: Path | str, *, user_id: int | None = None, **values: Any) -> RequestedImport:
    """Request an import as the command line does; the run waits."""
    request = ImportRequest(path=str(path), **{"kind": "folder", **values})
    with write() as session:
        return request_import(session, project_id=project_id, user_id=user_id, request=request, from_anywhere=True)


def do_import(project_id: int, path: Path | str, **values: Any) -> Run:
    """Request an import and do its run here and now; returns the run as it ended."""
    asked = ask_import(project_id, path, **values)
    execute_run(asked.run_id, run_import)
    return get_run(asked.run_id)


def get_run(run_id: int) -> Run:
    """A run as it is stored now."""
    with read() as session:
        run = session.get_one(Run, run_id)
        session.expunge(run)
    return run


def image_named(session: Session, project_id: int, file_name: str) -> Image:
    """The image of this file name."""
    return session.scalars(select(Image).where(Image.project_id == project_id, Image.file_name == file_name)).one()
