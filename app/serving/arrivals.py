"""Served images on their way into the pool: decoded once by limited children, then taken in like any other image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from sqlalchemy import bindparam, update

from app.core.database import read, write
from app.library.duplicates import find_near
from app.library.intake import known_images, take_in
from app.library.models import Origin
from app.library.preparing import Content, Prepared, Preparer
from app.library.schemas import IntakeFile
from app.serving.models import Transaction
from app.serving.records import Spooled

IDLE_SECONDS: Final = 60.0


class ArrivingImages:
    """Takes images in; the decoding children are started when first needed and end when idle. For one thread."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._preparer: Preparer | None = None
        self._used_at = 0.0

    def take_in(self, records: Sequence[Spooled]) -> set[int]:
        """Bring the kept images of these transactions into their pools; returns the projects that have new ones."""
        by_project: dict[int, list[Spooled]] = {}
        for record in records:
            if record.served.keeps_image:
                by_project.setdefault(record.served.project_id, []).append(record)
        return {project_id for project_id, kept in by_project.items() if self._take_in(project_id, kept)}

    def rest(self) -> None:
        """End the decoding children if nobody has needed them for a while."""
        if self._preparer is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()

    def close(self) -> None:
        """End the decoding children."""
        self._stack.close()
        self._preparer = None

    def _take_in(self, project_id: int, records: Sequence[Spooled]) -> int:
        """How many images were new."""
        contents = {
            record.served.sent_digest: Content(record.image_bytes, record.served.sent_digest, record.served.byte_count)
            for record in records
        }
        with read() as session:
            known = known_images(session, project_id, list(contents))
        prepared = self._prepare([content for digest, content in contents.items() if digest not in known])
        hashes = [outcome.processed.phash for outcome in prepared.values() if outcome.processed is not None]
        with read() as session:
            nearby = find_near(session, project_id, hashes)
        files = [_intake_file(record, prepared.get(record.served.sent_digest, Prepared())) for record in records]
        with write() as session:
            intake = take_in(
                session, project_id=project_id, batch_id=None, origin=Origin.REAL, files=files, nearby=nearby
            )
            image_ids = {**known, **intake.image_ids}
            session.connection().execute(
                update(Transaction)
                .where(Transaction.id == bindparam("transaction"))
                .values(image_id=bindparam("image")),
                [
                    {"transaction": record.served.id, "image": image_ids[record.served.sent_digest]}
                    for record in records
                ],
            )
        return intake.added

    def _prepare(self, contents: Sequence[Content]) -> dict[str, Prepared]:
        if not contents:
            return {}
        if self._preparer is None:
            self._preparer = self._stack.enter_context(Preparer())
        self._used_at = time.monotonic()
        return self._preparer.prepare(contents)


def _intake_file(record: Spooled, prepared: Prepared) -> IntakeFile:
    served, picture = record.served, prepared.processed
    return IntakeFile(
        name=f"served-{served.id}.{picture.format if picture else 'image'}",
        digest=served.sent_digest,
        byte_count=served.byte_count,
        processed=picture,
        places=prepared.places,
        undecodable=prepared.undecodable,
        transaction_id=served.id,
    )
