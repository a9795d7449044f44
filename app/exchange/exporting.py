"""The work of an export run: freeze the rows, copy the pictures, describe them. A killed one goes on where it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from app.core.clock import now
from app.core.database import Json, read, write
from app.core.errors import NotFound
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.exchange.export_rows import export_rows
from app.exchange.exports import stored_path, work_dir
from app.exchange.formats.registry import Writer, make_writer
from app.exchange.formats.rows import REPORT_NAME, ExportRow
from app.exchange.formats.tfrecord import TfRecordWriter
from app.exchange.frozen import FrozenRows
from app.exchange.schemas import ExportRequest, Pictures
from app.exchange.snapshot_rows import snapshot_rows
from app.exchange.zip_writer import ZipWriter
from app.imaging.stripping import strip_metadata
from app.library.renditions import find_stored, stored_bytes
from app.library.selection import filter_of
from app.runs.context import RunContext
from app.runs.models import Run

CHUNK_IMAGES: Final = 200
SHARD_IMAGES: Final = 1_000
"""Images of all splits together whose records lie in one shard for each split."""
_WITH_PREDICTIONS: Final = frozenset({"label_studio", "speciesnet"})
_GONE: Final = "its bytes are gone"


@dataclass(frozen=True, slots=True)
class _Export:
    """One export under way."""

    context: RunContext
    request: ExportRequest
    writer: Writer
    folder: Path
    rows: FrozenRows
    asked_at: datetime

    @property
    def has_pictures(self) -> bool:
        return self.request.pictures is not Pictures.NONE


def run_export(context: RunContext, *, chunk_images: int = CHUNK_IMAGES) -> None:
    """Do an export run. `context.parameters` is an ExportRequest, its view resolved to a query."""
    request = ExportRequest.model_validate(context.parameters)
    writer = make_writer(request.format)
    folder = work_dir(context.run_id)
    has_pictures = request.pictures is not Pictures.NONE
    found = _found(context.project_id, request, writer)
    with read() as session:
        asked_at = session.get_one(Run, context.run_id).created_at
    rows = FrozenRows.freeze(folder / "rows.db", _told(context, found), writer, with_places=has_pictures)
    with closing(rows):
        export = _Export(context, request, writer, folder, rows, asked_at)
        made = _archive(export, chunk_images) if has_pictures else _labels(export)
        images = rows.count()
        missing = sum(1 for _ in rows.missing())
    target = stored_path(context.run_id, made.suffix)
    size = made.stat().st_size
    made.replace(target)
    expires_at = now() + timedelta(days=get_settings().export_days)
    result: Json = {
        "images": images - missing,
        "missing": missing,
        "bytes": size,
        "suffix": made.suffix,
        "expires_at": expires_at.isoformat(),
    }
    with write() as session:
        context.complete(session, result)
    shutil.rmtree(folder, ignore_errors=True)


def _found(project_id: int, request: ExportRequest, writer: Writer) -> Iterator[ExportRow]:
    if request.snapshot_id is not None:
        return snapshot_rows(request.snapshot_id)
    return export_rows(project_id, filter_of(request.query), with_predictions=writer.name in _WITH_PREDICTIONS)


def _told(context: RunContext, rows: Iterator[ExportRow]) -> Iterator[ExportRow]:
    for number, row in enumerate(rows, start=1):
        if number % CHUNK_IMAGES == 0:
            context.progress(number, 0, "Choosing images")
        yield row


def _archive(export: _Export, chunk_images: int) -> Path:
    """Pictures, then what describes those that are there, then the report."""
    path = export.folder / "export.zip"
    total, done = export.rows.count(), export.rows.done_images()
    with ZipWriter(path, at=export.asked_at, mark=export.rows.mark()) as archive:
        rest = export.rows.rest()
        at_once = SHARD_IMAGES if isinstance(export.writer, TfRecordWriter) else chunk_images
        while chunk := list(islice(rest, at_once)):
            if isinstance(export.writer, TfRecordWriter):
                _add_shards(export, export.writer, archive, chunk)
            else:
                for row, content in _there(export, chunk):
                    archive.add(row.path, [content])
            export.rows.keep_mark(chunk[-1].image_id, archive.mark())
            done += len(chunk)
            export.context.progress(done, total, "Copying pictures")
        for name, pieces in export.writer.describing(export.rows.rows):
            archive.add(name, pieces)
            export.context.raise_if_cancelled()
        archive.add(REPORT_NAME, _report(export, total))
        archive.finish()
    return path


def _there(export: _Export, rows: list[ExportRow]) -> Iterator[tuple[ExportRow, bytes]]:
    """The pictures that can be exported; the others are noted."""
    for row, content in _pictures(export.request, rows):
        if isinstance(content, bytes):
            yield row, content
        else:
            export.rows.note_missing(row.image_id, content.reason)


def _add_shards(export: _Export, writer: TfRecordWriter, archive: ZipWriter, chunk: list[ExportRow]) -> None:
    """A shard for each split among the rows, named after the first of them; one picture is in memory at a time."""
    for split in sorted({row.split for row in chunk}):
        own = [row for row in chunk if row.split == split]
        records = (writer.record(row, picture, export.rows.rows) for row, picture in _there(export, own))
        archive.add(writer.shard(split, chunk[0].image_id), records)


@dataclass(frozen=True, slots=True)
class _Missing:
    reason: str


def _pictures(request: ExportRequest, rows: list[ExportRow]) -> Iterator[tuple[ExportRow, bytes | _Missing]]:
    if request.pictures is Pictures.RENDITIONS:
        with read() as session:
            stored = find_stored(session, [row.image_id for row in rows])
        for row in rows:
            try:
                found = stored.get(row.image_id)
                yield row, stored_bytes(found, "rendition") if found else _Missing("it has no rendition")
            except NotFound:
                yield row, _Missing(_GONE)
        return
    storage = get_storage()
    for row in rows:
        try:
            content = storage.get_blob(row.sha256)
        except NotFound:
            yield row, _Missing(_GONE)
            continue
        stripped = strip_metadata(content, row.format) if request.strip_metadata else content
        why = f"metadata cannot be taken out of {row.format or 'this file'} without encoding it again"
        yield row, stripped if stripped is not None else _Missing(why)


def _labels(export: _Export) -> Path:
    """The describing files alone: the file itself where there is but one, else an archive of them."""
    names = [name for name, _ in export.writer.describing(export.rows.rows)]
    if len(names) == 1:
        path = export.folder / f"labels{Path(names[0]).suffix}"
        with path.open("wb") as file:
            for _, pieces in export.writer.describing(export.rows.rows):
                file.writelines(pieces)
        return path
    path = export.folder / "export.zip"
    with ZipWriter(path, at=export.asked_at) as archive:
        for name, pieces in export.writer.describing(export.rows.rows):
            archive.add(name, pieces)
        archive.finish()
    return path


def _report(export: _Export, total: int) -> Iterator[bytes]:
    """What the archive holds and what it lacks, for people."""
    missing = sum(1 for _ in export.rows.missing())
    yield f"Exported by Winnow on {export.asked_at:%Y-%m-%d %H:%M} UTC\r\n".encode()
    yield f"Format: {export.writer.title}; pictures: {export.request.pictures.value}\r\n".encode()
    if export.request.snapshot_id is not None:
        yield f"Snapshot: {export.request.snapshot_id}\r\n".encode()
    else:
        yield f"Filter: {export.request.query or 'none'}\r\n".encode()
    yield f"Images: {total - missing:,} of {total:,}\r\n".encode()
    if export.request.strip_metadata and export.request.pictures is Pictures.ORIGINALS:
        yield b"Metadata was taken out, so these files have other digests (sha256) than the originals.\r\n"
    if missing:
        yield f"\r\nLeft out, {missing:,}:\r\n".encode()
        for row, reason in export.rows.missing():
            yield f"{row.file} ({row.sha256}): {reason}\r\n".encode("utf-8", "replace")
