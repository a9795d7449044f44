"""Taking files into the library: the one way by which imports, uploads and served images become rows.

Decoding, hashing and writing of bytes are done before; this is the short transaction at the end. Repeating it with the
same files changes nothing, whoever came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import is_sqlite
from app.core.storage import Place
from app.library import capture, duplicates
from app.library.class_names import LABEL_CLASS, SUB_CLASS, LabelNames
from app.library.grouping import lock_grouping
from app.library.metadata import record_metadata
from app.library.models import Image, ImageSource, ImageState, ImportBatch, LabelConflict, Origin, Source
from app.library.schemas import Intake, IntakeFile, LabelRow, Places, SourceKind
from app.library.service import insert_images

_MEASURED = ("format", "width", "height", "phash", "sharpness", "brightness", "contrast", "captured_at", "camera")
_PLACES = tuple(Places(Place("", 0, 0), Place("", 0, 0)).columns())
_SETTLED = frozenset({ImageState.LABELLED, ImageState.UNKNOWN, ImageState.NONE})


def take_in(
    session: Session,
    *,
    project_id: int,
    batch_id: int | None,
    origin: Origin,
    files: Sequence[IntakeFile],
    nearby: duplicates.Nearby | None = None,
    with_bursts: bool = True,
) -> Intake:
    """Record files in a write session: new images, sources, groups, conflicts and the batch's figures.

    A file already recorded in this batch under its name (or by its transaction) is passed over. Initial labels are not
    given here: `Intake.to_label` lists them for labelling, to be applied in the same session. Keep it to a few hundred
    files: it holds the database's write lock. Raises ValueError for unknown bytes that were not decoded.
    """
    lock_grouping(session, project_id)
    fresh = _unrecorded(session, batch_id, files)
    known = known_images(session, project_id, [file.digest for file in fresh])
    newcomers: dict[str, IntakeFile] = {}
    for file in fresh:
        if file.digest not in known:
            newcomers.setdefault(file.digest, file)
    source = _source_of(session, batch_id)
    rows = [_image_row(file, batch_id=batch_id, origin=origin, source=source) for file in newcomers.values()]
    added = insert_images(session, project_id, rows)
    image_ids = {**known, **added}
    _group(session, project_id, newcomers, added, nearby, with_bursts=with_bursts)
    to_label, conflicts = _settle_labels(session, project_id, fresh, image_ids)
    _insert_sources(session, batch_id, fresh, image_ids)
    record_metadata(session, project_id, {image_ids[file.digest]: file.metadata for file in fresh if file.metadata})
    intake = Intake(
        image_ids=image_ids,
        added=sum(file.undecodable is None for file in newcomers.values()),
        known=len(fresh) - len(newcomers),
        quarantined=sum(file.undecodable is not None for file in newcomers.values()),
        conflicts=conflicts,
        to_label=tuple(to_label),
    )
    _add_figures(session, batch_id, intake)
    return intake


def known_images(session: Session, project_id: int, digests: Sequence[str]) -> dict[str, int]:
    """Id by digest of those images that the project already has. At most a few thousand digests."""
    query = select(Image.sha256, Image.id).where(Image.project_id == project_id, Image.sha256.in_(set(digests)))
    return dict(session.execute(query).all())


def recorded_names(session: Session, batch_id: int, names: Sequence[str]) -> set[str]:
    """Which of these names the batch has recorded already. At most a few thousand names."""
    query = select(ImageSource.name).where(ImageSource.batch_id == batch_id, ImageSource.name.in_(set(names)))
    return set(session.scalars(query))


def _unrecorded(session: Session, batch_id: int | None, files: Sequence[IntakeFile]) -> list[IntakeFile]:
    """The files without those that the batch or their transaction recorded already, each name once."""
    transactions = {file.transaction_id for file in files if file.transaction_id}
    query = select(ImageSource.transaction_id).where(ImageSource.transaction_id.in_(transactions))
    done = set(session.scalars(query)) if transactions else set()
    names = recorded_names(session, batch_id, [file.name for file in files]) if batch_id is not None else set()
    fresh = []
    for file in files:
        is_done = file.transaction_id in done if file.transaction_id else file.name in names
        if not is_done:
            fresh.append(file)
            names.add(file.name)
            done.add(file.transaction_id)
    return fresh


def _source_of(session: Session, batch_id: int | None) -> Source:
    kind = session.scalar(select(ImportBatch.kind).where(ImportBatch.id == batch_id)) if batch_id is not None else None
    return Source.UPLOAD if kind == SourceKind.UPLOAD else Source.IMPORT


def _image_row(file: IntakeFile, *, batch_id: int | None, origin: Origin, source: Source) -> dict[str, Any]:
    row: dict[str, Any] = {
        "sha256": file.digest,
        "state": ImageState.POOL,
        "origin": file.origin or origin,
        "source": Source.SERVED if file.transaction_id else source,
        "batch_id": batch_id,
        "file_name": file.name.rsplit("/", 1)[-1],
        "byte_count": file.byte_count,
        "created_at": now(),
    }
    if file.undecodable is not None:
        nothing = dict.fromkeys((*_MEASURED, *_PLACES))
        return row | nothing | {"state": ImageState.QUARANTINED, "quarantine_reason": file.undecodable.message}
    picture, places = file.processed, file.places
    if picture is None or places is None:
        raise ValueError(f"new bytes must come decoded and stored; {file.name!r} did not")
    measured = {name: getattr(picture, name) for name in _MEASURED}
    return row | measured | places.columns() | {"quarantine_reason": None}


def _group(
    session: Session,
    project_id: int,
    newcomers: dict[str, IntakeFile],
    ids: dict[str, int],
    nearby: duplicates.Nearby | None,
    *,
    with_bursts: bool,
) -> None:
    pictures = {ids[digest]: file for digest, file in newcomers.items() if file.processed is not None}
    hashes = {image_id: file.processed.phash for image_id, file in pictures.items() if file.processed}
    duplicates.group_new(session, project_id, hashes, nearby)
    capture.assign_named(
        session, project_id, {image_id: file.group for image_id, file in pictures.items() if file.group}
    )
    if not with_bursts:
        return
    shots = {
        image_id: capture.Shot(file.processed.camera, file.processed.captured_at)
        for image_id, file in pictures.items()
        if not file.group and file.processed and file.processed.camera and file.processed.captured_at
    }
    capture.assign_bursts(session, project_id, shots)


def _insert_sources(
    session: Session, batch_id: int | None, files: Sequence[IntakeFile], image_ids: dict[str, int]
) -> None:
    if not files:
        return
    arrived_at = now()
    rows = [
        {
            "image_id": image_ids[file.digest],
            "batch_id": batch_id,
            "transaction_id": file.transaction_id,
            "name": file.name,
            "class_name": file.class_name,
            "sub_class_name": file.sub_class_name,
            "created_at": arrived_at,
        }
        for file in files
    ]
    session.execute(insert(ImageSource), rows)


def _settle_labels(
    session: Session, project_id: int, files: Sequence[IntakeFile], image_ids: dict[str, int]
) -> tuple[list[LabelRow], int]:
    """What labelling should label, and how many conflicts were opened. The first label to arrive holds.

    Bytes that once arrived under this very label contradict nothing anew: either they got it, and a person has changed
    it since, or the conflict was opened then.
    """
    with_label = [file for file in files if file.class_name]
    labelled_ids = {image_ids[file.digest] for file in with_label}
    present = _present_labels(session, labelled_ids)
    heard = _labels_heard(session, labelled_ids)
    to_label: list[LabelRow] = []
    conflicts: set[tuple[int, str, str]] = set()
    for file in with_label:
        image_id, class_name = image_ids[file.digest], file.class_name or ""
        state, names = present[image_id]
        if state == ImageState.POOL:
            to_label.append((image_id, class_name, file.sub_class_name))
            present[image_id] = (ImageState.LABELLED, LabelNames(class_name, file.sub_class_name))
        elif state in _SETTLED and _contradicts(names, class_name, file.sub_class_name):
            conflicts.add((image_id, class_name, file.sub_class_name or ""))
    conflicts -= heard
    return to_label, _open_conflicts(session, project_id, sorted(conflicts))


def _present_labels(session: Session, image_ids: set[int]) -> dict[int, tuple[str, LabelNames | None]]:
    query = (
        select(Image.id, Image.state, LABEL_CLASS.c.name, SUB_CLASS.c.name)
        .outerjoin(LABEL_CLASS, LABEL_CLASS.c.id == Image.class_id)
        .outerjoin(SUB_CLASS, SUB_CLASS.c.id == Image.sub_class_id)
        .where(Image.id.in_(image_ids))
    )
    return {
        image_id: (state, LabelNames(name, sub) if name is not None else None)
        for image_id, state, name, sub in session.execute(query)
    }


def _labels_heard(session: Session, image_ids: set[int]) -> set[tuple[int, str, str]]:
    query = select(ImageSource.image_id, ImageSource.class_name, ImageSource.sub_class_name).where(
        ImageSource.image_id.in_(image_ids), ImageSource.class_name.is_not(None)
    )
    return {(image_id, name or "", sub or "") for image_id, name, sub in session.execute(query)}


def _contradicts(names: LabelNames | None, class_name: str, sub_class_name: str | None) -> bool:
    """Whether an arriving label says other than the present one; one without a sub-class says less, not other.

    Case makes no other name, as among classes.
    """
    if names is None or names.class_name.casefold() != class_name.casefold():
        return True
    return bool(sub_class_name) and (sub_class_name or "").casefold() != (names.sub_class_name or "").casefold()


def _open_conflicts(session: Session, project_id: int, conflicts: list[tuple[int, str, str]]) -> int:
    """Insert conflicts that nobody has opened before; returns how many there were."""
    if not conflicts:
        return 0
    opened_at = now()
    rows = [
        {
            "project_id": project_id,
            "image_id": image_id,
            "class_name": name,
            "sub_class_name": sub,
            "created_at": opened_at,
        }
        for image_id, name, sub in conflicts
    ]
    statement = (
        sqlite.insert(LabelConflict).values(rows).on_conflict_do_nothing().returning(LabelConflict.id)
        if is_sqlite(session)
        else postgresql.insert(LabelConflict).values(rows).on_conflict_do_nothing().returning(LabelConflict.id)
    )
    return len(session.scalars(statement).all())


def _add_figures(session: Session, batch_id: int | None, intake: Intake) -> None:
    if batch_id is None:
        return
    session.execute(
        update(ImportBatch)
        .where(ImportBatch.id == batch_id)
        .values(
            added=ImportBatch.added + intake.added,
            known=ImportBatch.known + intake.known,
            quarantined=ImportBatch.quarantined + intake.quarantined,
            labelled=ImportBatch.labelled + len(intake.to_label),
            conflicts=ImportBatch.conflicts + intake.conflicts,
        ),
        execution_options={"synchronize_session": False},
    )
