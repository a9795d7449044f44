"""Compact rows into the database by its quickest way: tuples to SQLite, one binary COPY to PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.core.database import is_sqlite
from app.predictions.models import PLACES, Prediction

if TYPE_CHECKING:
    from app.predictions.rows import CompactRows

_COLUMNS: Final = (
    "job_id",
    "image_id",
    "rotation",
    *(f"class_{place}" for place in PLACES),
    *(f"confidence_{place}" for place in PLACES),
    "margin",
    "entropy",
)
_TABLE: Final = Prediction.__tablename__
_INSERT: Final = f"INSERT INTO {_TABLE} ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own names
_COPY: Final = f"COPY {_TABLE} ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": signature, flags, length of the extension.
_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END: Final = b"\xff\xff"


def insert_columns(session: Session, job_id: int, rows: CompactRows, rotations: Sequence[int]) -> None:
    """Insert rows of images that have none in the job yet, ids ascending, within the caller's write session."""
    if is_sqlite(session):
        session.connection().exec_driver_sql(_INSERT, _tuples(job_id, rows, rotations))
        return
    connection: Any = session.connection().connection.driver_connection
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(_HEAD + _packed(job_id, rows, rotations).tobytes() + _END)


def _tuples(job_id: int, rows: CompactRows, rotations: Sequence[int]) -> list[tuple[Any, ...]]:
    """Built column by column: a third of the time that a dict for each row takes."""
    empty = [None] * len(rows)
    missing = [empty] * (len(PLACES) - rows.classes.shape[1])
    columns = (
        [job_id] * len(rows),
        rows.image_ids.tolist(),
        rotations,
        *(column.tolist() for column in rows.classes.T),
        *missing,
        *(column.tolist() for column in rows.confidences.T),
        *missing,
        rows.margins.tolist(),
        rows.entropies.tolist(),
    )
    return list(zip(*columns, strict=True))


def _packed(job_id: int, rows: CompactRows, rotations: Sequence[int]) -> NDArray[Any]:
    """The rows as the binary format has them: a count of fields, then length and value of each; -1 is NULL.

    How many places are empty is the same for all rows, so all have one layout and NumPy writes them at once.
    """
    kept = rows.classes.shape[1]
    values: dict[str, tuple[str, Any]] = {
        "job_id": (">i8", job_id),
        "image_id": (">i8", rows.image_ids),
        "rotation": (">i2", rotations),
        **{f"class_{place}": (">i4", rows.classes[:, place - 1]) for place in PLACES[:kept]},
        **{f"confidence_{place}": (">f8", rows.confidences[:, place - 1]) for place in PLACES[:kept]},
        "margin": (">f8", rows.margins),
        "entropy": (">f8", rows.entropies),
    }
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name in _COLUMNS:
        layout.append((f"{name}_bytes", ">i4"))
        layout += [(name, values[name][0])] if name in values else []
    packed = np.empty(len(rows), dtype=layout)
    packed["fields"] = len(_COLUMNS)
    for name in _COLUMNS:
        packed[f"{name}_bytes"] = packed.dtype[name].itemsize if name in values else -1
        if name in values:
            packed[name] = values[name][1]
    return packed
