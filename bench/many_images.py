"""A library of any number of images as rows: labels, events, groups, measures, metadata, predictions, file names.

Made by bulk insertion, with the indexes built afterwards; only the few renditions that all images share are pictures.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any, Final

from PIL import Image as Picture
from sqlalchemy import Connection, insert, text

from app.core.clock import now
from app.core.database import Table, UtcTime, get_engine, write
from app.core.storage import PackWriter, Place, get_storage
from app.datasets.models import Snapshot
from app.imaging.measures import hash_chunks
from app.labelling.models import LabelAction, LabelClass, LabelEvent
from app.library.models import (
    CaptureGroup,
    DuplicateGroup,
    Image,
    ImageCount,
    ImageMeasure,
    ImageMetadata,
    ImageSource,
    ImageWord,
    ImportBatch,
    MetadataColumn,
)
from app.library.names import name_words
from app.predictions.indexing import index_job
from app.predictions.models import Prediction, PredictionCount, ScoringJob
from app.registry.models import Deployment, ModelVersion, Trunk
from app.runs.models import Run

CLASSES: Final = 300
BATCH: Final = 5_000
ACT: Final = 100
SHARED_PICTURES: Final = 64
_PART: Final = 20_000
_INDEXED: Final = (Image, ImageMeasure, ImageSource, ImageWord, ImageMetadata, LabelEvent, Prediction, LabelAction)
_CAMERAS: Final = tuple(f"Camera {letter}" for letter in "ABCDEFGHIJKL")
_BEGAN: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - a camera's clock has no zone


@dataclass(frozen=True, slots=True)
class Library:
    """What there is to look for."""

    project_id: int
    user_id: int
    images: int
    site_column: int
    first_class: int


def make_library(project_id: int, user_id: int, images: int) -> Library:
    """Fill an empty project of an installation of its own; ids of images are 1 to `images`."""
    first_class, site_column = _heads(project_id, user_id, images)
    places = _pictures()
    engine = get_engine().execution_options(winnow_write=True)
    with engine.begin() as connection:
        indexes = [index for table in _INDEXED for index in table.__table__.indexes]  # type: ignore[attr-defined]
        for index in indexes:
            index.drop(connection)
        for start in range(1, images + 1, _PART):
            rows = [
                _image(number, project_id, user_id, first_class, places)
                for number in range(start, min(start + _PART, images + 1))
            ]
            _insert_part(connection, rows, site_column=site_column, user_id=user_id, first_class=first_class)
        for index in indexes:
            index.create(connection)
        _count(connection)
        _set_sequences(connection)
    index_job(1)
    _analyse()
    return Library(project_id, user_id, images, site_column, first_class)


def _heads(project_id: int, user_id: int, images: int) -> tuple[int, int]:
    """Classes, imports, groups, actions, and a version in production with one job; first class, metadata column."""
    at = now()
    with write() as session:

        def add(table: type[Table], rows: list[dict[str, Any]]) -> list[int]:
            made = session.scalars(insert(table).returning(table.id, sort_by_parameter_order=True), rows)  # type: ignore[attr-defined]
            return list(made.all())

        names = [{"project_id": project_id, "name": f"Class {n:04}", "created_at": at} for n in range(CLASSES)]
        classes = add(LabelClass, names)
        column = add(MetadataColumn, [{"project_id": project_id, "name": "site"}])[0]
        batch = {"project_id": project_id, "kind": "folder", "origin": "real", "created_at": at, "added": BATCH}
        add(ImportBatch, [{**batch, "name": f"Import {n}"} for n in range(images // BATCH + 1)])
        add(DuplicateGroup, [{"project_id": project_id, "created_at": at} for _ in range(images // 50 + 1)])
        add(CaptureGroup, [{"project_id": project_id, "key": f"burst:{n}"} for n in range(images // 10 + 1)])
        act = {"project_id": project_id, "user_id": user_id, "kind": "label", "summary": "Labelled", "created_at": at}
        add(LabelAction, [{**act, "images": ACT, "skipped": []} for _ in range(images // ACT + 1)])
        run = {"project_id": project_id, "queue": "default", "title": "Run", "state": "succeeded", "parameters": {}}
        run |= {"follow_ups": [], "announced_at": at, "created_at": at, "progress": {}}
        training, scoring = add(Run, [{**run, "kind": "training.train"}, {**run, "kind": "identification.identify"}])
        snapshot = {"project_id": project_id, "fingerprint": "bench", "lower_cutoff": 1, "upper_cutoff": 1, "seed": 0}
        snapshot |= {"include_small": False, "images": 0, "classes": 0, "summary": {}, "created_at": at}
        trunk = {"digest": "bench", "architecture": "none", "input_size": 64, "width": 8, "preprocessing": "none"}
        trunk |= {"weights_file": "none", "exported_file": "none", "exported_digest": "none", "byte_count": 1}
        version = {"project_id": project_id, "number": 1, "run_id": training, "throwaway": False, "state": "approved"}
        version |= {"trunk_id": add(Trunk, [{**trunk, "created_at": at}])[0], "start": "random", "created_at": at}
        version |= {"snapshot_id": add(Snapshot, [snapshot])[0], "head_file": "none", "head_digest": "none"}
        version_id = add(ModelVersion, [version])[0]
        pointer = {"project_id": project_id, "version_id": version_id, "is_active": True, "act": "promote"}
        pointer |= {"reason": "bench", "upper_threshold": 0.8, "lower_threshold": 0.4, "created_at": at}
        add(Deployment, [pointer])
        job = {"project_id": project_id, "run_id": scoring, "version_id": version_id, "purpose": "identification"}
        add(ScoringJob, [{**job, "images": images, "created_at": at, "finished_at": at}])
    return classes[0], column


def _pictures() -> list[tuple[Place, Place]]:
    """A few tiny pictures in the packs, thumbnail and rendition: every image has one of them."""
    packs = PackWriter(get_storage())
    places = []
    for number in range(SHARED_PICTURES):
        picture = BytesIO()
        Picture.new("RGB", (48, 32), (number * 4 % 256, number * 31 % 256, 128)).save(picture, "JPEG")
        places.append((packs.append(picture.getvalue()), packs.append(picture.getvalue())))
    packs.close()
    return places


def _image(
    number: int, project_id: int, user_id: int, first_class: int, places: Sequence[tuple[Place, Place]]
) -> dict[str, Any]:
    """One image; what it is follows from its number alone, in shares that do not depend on the size."""
    chance = random.Random(number)
    drawn = chance.random()
    states = ((0.60, "labelled"), (0.95, "pool"), (0.97, "unknown"), (0.98, "none"), (0.99, "removed"))
    state = next((word for limit, word in states if drawn < limit), "quarantined")
    is_labelled = state == "labelled"
    at = now() - timedelta(minutes=number % 500_000)
    grouped = number // 50 + 1 if number % 50 < 2 else None
    width, height = chance.choice(((4000, 3000), (3000, 4000), (1920, 1080), (640, 480), (200, 150)))
    phash = chance.getrandbits(64) - 2**63
    origin = chance.random()
    thumbnail, rendition = places[number % len(places)]
    return {
        "id": number,
        "project_id": project_id,
        "sha256": sha256(b"%d" % number).hexdigest(),
        "state": state,
        "origin": "real" if origin < 0.9 else "staged" if origin < 0.97 else "synthetic",
        "source": "served" if number % 20 == 0 else "import",
        "class_id": first_class + chance.randrange(CLASSES) if is_labelled else None,
        "label_version": int(is_labelled),
        "last_event_id": number if is_labelled else None,
        "labelled_at": at if is_labelled else None,
        "labelled_by": user_id if is_labelled else None,
        "labelled_how": chance.choice(("manual", "grid", "bulk")) if is_labelled else None,
        "is_reviewed": is_labelled and chance.random() < 0.1,
        "quality": "blurred" if chance.random() < 0.03 else None,
        "is_small_subject": chance.random() < 0.01,
        "rotation": 0,
        "split": chance.choice(("train", "train", "train", "validation", "test")) if is_labelled else None,
        "leaked": False,
        "is_retired": False,
        "in_benchmark": chance.random() < 0.005,
        "duplicate_group_id": grouped,
        "is_representative": grouped is None or number % 50 == 0,
        "capture_group_id": number // 10 + 1,
        "batch_id": (number - 1) // BATCH + 1,
        "file_name": f"IMG_{number:07}.jpg",
        "byte_count": 1_000_000 + number % 1_000_000,
        "format": "jpeg",
        "width": width,
        "height": height,
        "short_side": min(width, height),
        "aspect": width / height,
        "phash": phash,
        "sharpness": chance.lognormvariate(4.5, 0.8),
        "brightness": chance.random(),
        "contrast": chance.random() / 2,
        "captured_at": (_BEGAN + timedelta(seconds=30 * number)).isoformat(),
        "camera": chance.choice(_CAMERAS),
        "thumbnail_pack": thumbnail.pack,
        "thumbnail_offset": thumbnail.offset,
        "thumbnail_length": thumbnail.length,
        "rendition_pack": rendition.pack,
        "rendition_offset": rendition.offset,
        "rendition_length": rendition.length,
        "created_at": at,
    }


def _insert_part(
    connection: Connection, rows: list[dict[str, Any]], *, site_column: int, user_id: int, first_class: int
) -> None:
    _bulk(connection, Image, rows)
    _bulk(connection, ImageMeasure, (_measure(row) for row in rows))
    _bulk(connection, ImageSource, (_source(row) for row in rows))
    _bulk(connection, ImageWord, (word for row in rows for word in _words(row)))
    sites = ({"image_id": row["id"], "column_id": site_column, "value": f"site {row['id'] % 97}"} for row in rows)
    _bulk(connection, ImageMetadata, sites)
    _bulk(connection, LabelEvent, (_event(row, user_id) for row in rows if row["state"] == "labelled"))
    _bulk(connection, Prediction, (_prediction(row, first_class) for row in rows if row["state"] != "quarantined"))


def _measure(row: dict[str, Any]) -> dict[str, Any]:
    names = ("project_id", "phash", "sharpness", "brightness", "contrast", "short_side", "aspect")
    hashes = {f"hash_{part}": bits for part, bits in enumerate(hash_chunks(row["phash"]))}
    shot = {"camera": row["camera"], "captured_at": row["captured_at"]}
    return {"image_id": row["id"]} | {name: row[name] for name in names} | hashes | shot


def _source(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "image_id": row["id"], "batch_id": row["batch_id"], "name": row["file_name"]} | {
        "created_at": row["created_at"]
    }


def _words(row: dict[str, Any]) -> list[dict[str, Any]]:
    words = name_words(row["file_name"])
    return [{"image_id": row["id"], "word": word, "project_id": row["project_id"]} for word in words]


def _event(row: dict[str, Any], user_id: int) -> dict[str, Any]:
    return {
        "id": row["id"],
        "action_id": row["id"] // ACT + 1,
        "image_id": row["id"],
        "how": row["labelled_how"],
        "user_id": user_id,
        "at": row["created_at"],
        "from_state": "pool",
        "to_state": "labelled",
        "to_class_id": row["class_id"],
        "to_quality": row["quality"],
        "from_quality": row["quality"],
        "from_rotation": 0,
        "to_rotation": 0,
        "from_is_small_subject": False,
        "to_is_small_subject": False,
    }


def _prediction(row: dict[str, Any], first_class: int) -> dict[str, Any]:
    chance = random.Random(-row["id"])
    first = row["class_id"] if row["class_id"] and chance.random() < 0.97 else first_class + chance.randrange(CLASSES)
    confidence = chance.betavariate(4, 1.5)
    return {
        "job_id": 1,
        "image_id": row["id"],
        "rotation": 0,
        "class_1": first,
        "class_2": first_class + chance.randrange(CLASSES),
        "confidence_1": confidence,
        "confidence_2": (1 - confidence) / 2,
        "margin": confidence - (1 - confidence) / 2,
        "entropy": 1 - confidence,
    }


def _bulk(connection: Connection, table: type[Table], rows: Iterable[dict[str, Any]]) -> None:
    """Rows that all have the same keys, as the database takes many fastest."""
    made: Iterator[dict[str, Any]] = iter(rows)
    first = next(made, None)
    if first is None:
        return
    names = list(first)
    columns = ", ".join(names)
    name = table.__tablename__
    dialect = connection.dialect
    moment = UtcTime()

    def plain(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(
            moment.process_bind_param(value, dialect) if isinstance(value, datetime) else value
            for value in (row[each] for each in names)
        )

    def every() -> Iterator[tuple[Any, ...]]:
        yield plain(first)
        yield from map(plain, made)

    cursor = connection.connection.cursor()
    if dialect.name == "postgresql":
        with cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            for values in every():
                copy.write_row(values)
    else:
        places = ", ".join("?" * len(names))
        as_text = (tuple(str(v) if isinstance(v, datetime) else v for v in values) for values in every())
        cursor.executemany(f"INSERT INTO {name} ({columns}) VALUES ({places})", as_text)  # noqa: S608 - own names
    cursor.close()


def _count(connection: Connection) -> None:
    connection.execute(
        text(
            f"INSERT INTO {ImageCount.__tablename__} (project_id, class_id, state, origin, images) "  # noqa: S608 - own names
            "SELECT project_id, COALESCE(class_id, 0), state, origin, COUNT(*) FROM image GROUP BY 1, 2, 3, 4"
        )
    )
    connection.execute(
        text(
            f"INSERT INTO {PredictionCount.__tablename__} (job_id, class_id, state, origin, images) "  # noqa: S608 - own names
            "SELECT p.job_id, p.class_1, i.state, i.origin, COUNT(*) FROM prediction p"
            " JOIN image i ON i.id = p.image_id GROUP BY 1, 2, 3, 4"
        )
    )


def _set_sequences(connection: Connection) -> None:
    """PostgreSQL counts on from the highest id that was inserted."""
    if connection.dialect.name != "postgresql":
        return
    for table in (Image, ImageSource, LabelEvent):
        name = table.__tablename__
        last = f"(SELECT MAX(id) FROM {name})"  # noqa: S608 - own names
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})"))


def _analyse() -> None:
    """What the database's own upkeep does in time."""
    engine = get_engine()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE"))
        else:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
