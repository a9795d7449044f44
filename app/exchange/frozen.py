"""What an export exports, frozen when its job begins: a private file of rows beside the job's work.

So an export tells one moment, however long it copies; a second attempt exports the same; and a million rows need no
memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from app.core.database import sqlite_module
from app.exchange.formats.names import numbered
from app.exchange.formats.registry import Writer
from app.exchange.formats.rows import ExportRow
from app.exchange.zip_writer import Mark

_PAGE: Final = 2_000
_FIELDS: Final = tuple(each.name for each in fields(ExportRow))


class FrozenRows:
    """The rows of an export in the order of their ids, what became of each, and how far the archive is."""

    def __init__(self, path: Path) -> None:
        self._database: sqlite3.Connection = sqlite_module().connect(
            str(path), check_same_thread=False, isolation_level=None
        )
        self._database.execute("PRAGMA synchronous=NORMAL")

    @classmethod
    def freeze(cls, path: Path, rows: Iterable[ExportRow], writer: Writer, *, with_places: bool) -> FrozenRows:
        """Write the rows once; what stands at `path` is whole. Two images never share a place.

        Without places (no pictures are exported) an image is named as it arrived.
        """
        if not path.exists():
            beside = path.with_name(f"{path.name}.part")
            beside.unlink(missing_ok=True)
            made = cls(beside)
            made._fill(rows, writer, with_places=with_places)
            made.close()
            beside.replace(path)
        return cls(path)

    def _fill(self, rows: Iterable[ExportRow], writer: Writer, *, with_places: bool) -> None:
        database = self._database
        database.execute("BEGIN")
        database.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, stem TEXT UNIQUE, body TEXT, missing TEXT)")
        database.execute("CREATE TABLE done (last_id INTEGER, archive INTEGER, directory INTEGER, entries INTEGER)")
        database.execute("INSERT INTO done VALUES (0, 0, 0, 0)")
        for row in rows:
            values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
            values["path"] = writer.place(row) if with_places else row.file
            insert = "INSERT OR IGNORE INTO row VALUES (?, ?, ?, NULL)"
            while not database.execute(insert, (row.image_id, _stem(values["path"]), json.dumps(values))).rowcount:
                values["path"] = numbered(values["path"], row.image_id)
        database.execute("COMMIT")

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def count(self) -> int:
        """How many images there are."""
        return int(self._database.execute("SELECT count(*) FROM row").fetchone()[0])

    def rows(self) -> Iterator[ExportRow]:
        """The images that are not missing."""
        for row, missing in self._all(0):
            if missing is None:
                yield row

    def rest(self) -> Iterator[ExportRow]:
        """The images after the mark."""
        for row, _ in self._all(self._done()[0]):
            yield row

    def missing(self) -> Iterator[tuple[ExportRow, str]]:
        """The images that could not be exported, each with the reason."""
        for row, reason in self._all(0):
            if reason is not None:
                yield row, reason

    def note_missing(self, image_id: int, reason: str) -> None:
        """Leave an image out."""
        self._database.execute("UPDATE row SET missing = ? WHERE id = ?", (reason, image_id))

    def mark(self) -> Mark:
        """How far the archive is."""
        _, archive, directory, entries = self._done()
        return Mark(archive, directory, entries)

    def keep_mark(self, last_id: int, mark: Mark) -> None:
        """Note that the archive holds everything up to an image."""
        values = (last_id, mark.archive_bytes, mark.directory_bytes, mark.entries)
        self._database.execute("UPDATE done SET last_id = ?, archive = ?, directory = ?, entries = ?", values)

    def done_images(self) -> int:
        """How many images stand before the mark."""
        return int(self._database.execute("SELECT count(*) FROM row WHERE id <= ?", (self._done()[0],)).fetchone()[0])

    def _done(self) -> tuple[int, int, int, int]:
        found: tuple[int, int, int, int] = self._database.execute("SELECT * FROM done").fetchone()
        return found

    def _all(self, after: int) -> Iterator[tuple[ExportRow, str | None]]:
        query = "SELECT id, body, missing FROM row WHERE id > ? ORDER BY id LIMIT ?"
        while page := self._database.execute(query, (after, _PAGE)).fetchall():
            after = page[-1][0]
            for _, body, missing in page:
                yield _row(json.loads(body)), missing


def _stem(path: str) -> str:
    """What two places may not share: some formats name images without their suffix, some systems ignore case."""
    return path.rsplit(".", 1)[0].casefold()


def _row(values: dict[str, Any]) -> ExportRow:
    predictions = tuple((name, confidence) for name, confidence in values.pop("predictions"))
    return ExportRow(**values, predictions=predictions)
