"""The work of an import run: read, prepare, take in by short transactions. Repeatable at any point.

An attempt that was killed leaves whole chunks or nothing in SQL; the next one passes over what is recorded.
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.core.errors import NotFound
from app.core.settings import get_settings
from app.library.duplicates import find_near
from app.library.imports import STAGED
from app.library.intake import known_images, recorded_names, take_in
from app.library.listing import Entry, FileLabel, Skipped, Source
from app.library.models import ImportBatch, Origin
from app.library.preparing import Content, Prepared, Preparer
from app.library.reading import UNREADABLE, Labels, open_source, read_within
from app.library.schemas import ImportRequest, IntakeFile, LabelRow
from app.library.uploads import upload_folder
from app.runs.context import RunContext

CHUNK_FILES: Final = 150
CHUNK_BYTES: Final = 96 * 2**20
_SKIPPED_SHOWN: Final = 100

LabelImported = Callable[[Session, ImportBatch, Sequence[LabelRow]], object]
"""Labels images within the session that took them in; given by the caller, since labelling lies above the library."""

OpenLabels = Callable[[ImportRequest, Source], Labels]
"""How the files get their labels; given by the caller, since formats lie above the library. Raises InvalidInput."""

Taken = Callable[[Session, ImportBatch, Mapping[str, int], frozenset[int]], object]
"""Told, within the session that took them in: image id by file name, and which images are new to the library."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that was read: its name and label, and its bytes."""

    name: str
    label: FileLabel
    content: Content
    origin: Origin | None = None


@dataclass(slots=True)
class Part:
    """Some files of an import, read: at most CHUNK_FILES of them and about CHUNK_BYTES."""

    files: int = 0
    arrivals: list[Arrival] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def import_files(
    context: RunContext,
    *,
    open_labels: OpenLabels,
    label_imported: LabelImported,
    taken: Taken | None = None,
    followed_by: Callable[[Session, int], object] | None = None,
) -> None:
    """Do an import run. `context.parameters` is an ImportRequest; its batch was made with the request.

    `followed_by(session, project_id)` asks for what comes after, in the transaction that marks success. Raises
    InvalidInput, NotFound or TooLarge where the source cannot be used; one bad file never ends an import.
    """
    request = ImportRequest.model_validate(context.parameters)
    batch = _batch_of(context.run_id)
    started_at = time.monotonic()
    skipped: list[Skipped] = []
    done = 0
    with closing(open_source(request, context.project_id)) as source, Preparer() as preparer:
        labels = open_labels(request, source)
        pipeline = Pipeline(batch, request, preparer, label_imported, taken)
        total = sum(1 for _ in _wanted(source, labels))
        for part in pipeline.take_all(read_parts(source, labels, batch.id)):
            skipped += part.skipped
            done += part.files
            context.progress(done, total, skipped=len(skipped))
    with write() as session:
        result = _result(session, batch.id, skipped)
        seconds = time.monotonic() - started_at
        context.complete(session, {**result, "files": done, "seconds": round(seconds, 3)})
        if followed_by is not None:
            followed_by(session, context.project_id)
    if request.kind in STAGED:
        shutil.rmtree(upload_folder(request.path, context.project_id), ignore_errors=True)


def _batch_of(run_id: int) -> ImportBatch:
    with read() as session:
        batch = session.scalar(select(ImportBatch).where(ImportBatch.run_id == run_id))
        if batch is None:
            raise NotFound(f"run {run_id} has no import batch")
        session.expunge(batch)
        return batch


def _wanted(source: Source, labels: Labels) -> Iterator[Entry | Skipped]:
    return (file for file in source.files() if file.name not in labels.describing)


def read_parts(source: Source, labels: Labels, batch_id: int) -> Iterator[Part]:
    """The import read part by part; what an earlier attempt recorded is not read again."""
    files = _wanted(source, labels)
    with ThreadPoolExecutor(source.readers, thread_name_prefix="reader") as readers:
        while chunk := list(islice(files, CHUNK_FILES)):
            with read() as session:
                recorded = recorded_names(session, batch_id, [file.name for file in chunk])
            skipped = [file for file in chunk if isinstance(file, Skipped)]
            new = [file for file in chunk if isinstance(file, Entry) and file.name not in recorded]
            part, byte_count = Part(files=len(chunk) - len(new), skipped=skipped), 0
            for file, content in _contents(new, readers, source.readers):
                part.files += 1
                if isinstance(content, Skipped):
                    part.skipped.append(content)
                    continue
                label, origin = labels.label_of(file.name), labels.origin_of(file.name)
                part.arrivals.append(Arrival(file.name, label, content, origin))
                byte_count += len(content.content or b"")
                if byte_count > CHUNK_BYTES:
                    yield part
                    part, byte_count = Part(), 0
            yield part


def _contents(
    files: Sequence[Entry], readers: ThreadPoolExecutor, at_once: int
) -> Iterator[tuple[Entry, Content | Skipped]]:
    """What the files hold, in their order, a few read at a time."""
    if at_once == 1:
        yield from ((file, _content(file)) for file in files)
        return
    under_way: deque[tuple[Entry, Future[Content | Skipped]]] = deque()
    for file in files:
        under_way.append((file, readers.submit(_content, file)))
        if len(under_way) > at_once:
            earliest, content = under_way.popleft()
            yield earliest, content.result()
    for rest, content in under_way:
        yield rest, content.result()


def _content(file: Entry) -> Content | Skipped:
    try:
        return read_within(file, get_settings().max_upload_bytes)
    except UNREADABLE as error:
        return Skipped(file.name, f"it cannot be read: {error}"[:200])


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A part whose new files were stored and decoded."""

    part: Part
    prepared: Mapping[str, Prepared]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Takes an import in, part by part: one is read, one decoded and one recorded at the same time."""

    batch: ImportBatch
    request: ImportRequest
    preparer: Preparer
    label_imported: LabelImported
    taken: Taken | None = None

    def take_all(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Take the parts in, in their order; gives each one back once it is recorded for good."""
        with ThreadPoolExecutor(1, "read-ahead") as reader, ThreadPoolExecutor(1, "record") as recorder:
            upcoming = reader.submit(next, parts, None)
            recording: Future[Part] | None = None
            in_flight: frozenset[str] = frozenset()
            while (part := upcoming.result()) is not None:
                upcoming = reader.submit(next, parts, None)
                decoded = self._decode(part, in_flight)
                if recording is not None:
                    yield recording.result()
                in_flight = frozenset(decoded.prepared)
                recording = recorder.submit(self._record, decoded)
            if recording is not None:
                yield recording.result()

    def _decode(self, part: Part, in_flight: frozenset[str]) -> _Decoded:
        """Store and decode what neither the library nor the part before has."""
        contents = {arrival.content.digest: arrival.content for arrival in part.arrivals}
        with read() as session:
            known = {*known_images(session, self.batch.project_id, list(contents)), *in_flight}
        new = [content for digest, content in contents.items() if digest not in known]
        return _Decoded(part, self.preparer.prepare(new))

    def _record(self, decoded: _Decoded) -> Part:
        """Record a part in one short transaction."""
        prepared, batch = decoded.prepared, self.batch
        if not decoded.part.arrivals:
            return decoded.part
        files = [_intake_file(one, prepared.get(one.content.digest, Prepared())) for one in decoded.part.arrivals]
        hashes = [outcome.processed.phash for outcome in prepared.values() if outcome.processed is not None]
        with read() as session:
            nearby = find_near(session, batch.project_id, hashes)
        with write() as session:
            intake = take_in(
                session,
                project_id=batch.project_id,
                batch_id=batch.id,
                origin=Origin(batch.origin),
                files=files,
                nearby=nearby,
                with_bursts=self.request.groups == "exif",
            )
            if intake.to_label:
                self.label_imported(session, batch, intake.to_label)
            if self.taken is not None:
                ids = {file.name: intake.image_ids[file.digest] for file in files if file.digest in intake.image_ids}
                added = frozenset(intake.image_ids[digest] for digest in prepared)
                self.taken(session, batch, ids, added)
        return decoded.part


def _intake_file(arrival: Arrival, prepared: Prepared) -> IntakeFile:
    return IntakeFile(
        name=arrival.name,
        digest=arrival.content.digest,
        byte_count=arrival.content.byte_count,
        processed=prepared.processed,
        places=prepared.places,
        undecodable=prepared.undecodable,
        class_name=arrival.label.class_name,
        sub_class_name=arrival.label.sub_class_name,
        group=arrival.label.group,
        metadata=arrival.label.metadata,
        origin=arrival.origin,
    )


def _result(session: Session, batch_id: int, skipped: Sequence[Skipped]) -> Json:
    batch = session.get_one(ImportBatch, batch_id)
    return {
        "batch_id": batch_id,
        "added": batch.added,
        "known": batch.known,
        "quarantined": batch.quarantined,
        "labelled": batch.labelled,
        "conflicts": batch.conflicts,
        "skipped": len(skipped),
        "skipped_files": [{"name": file.name, "reason": file.reason} for file in skipped[:_SKIPPED_SHOWN]],
    }
