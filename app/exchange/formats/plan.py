"""A description read once into a private file of its own, so that a million images need no memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from app.core.database import sqlite_module
from app.exchange.formats.names import heard_name
from app.exchange.schemas import PlannedFile, PlannedPrediction
from app.library.listing import FileLabel

PROBLEMS_KEPT: Final = 40
_CANDIDATES: Final = 50
_ROWS: Final = 5_000
_SAID: Final = ("state", "quality", "origin", "sha256", "rotation", "is_small_subject", "split")


class Problems:
    """What is odd in a description: the first few in words, and how many there were."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._more = 0

    def add(self, words: str) -> None:
        """Note one."""
        if len(self._said) < PROBLEMS_KEPT:
            self._said.append(words)
        else:
            self._more += 1

    def said(self) -> list[str]:
        """All in words."""
        return [*self._said, *([f"and {self._more:,} more"] if self._more else [])]


class Notes:
    """Values by key, kept in a private file: for descriptions that say in one place what belongs to another."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Reads `pairs` to the end; the last value of a key stays."""
        self._database = sqlite_module().connect("", check_same_thread=False)
        self._database.execute("CREATE TABLE note (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID")
        rows = ((key, json.dumps(value)) for key, value in pairs)
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", rows)
        self._database.execute("COMMIT")

    def get(self, key: str) -> Any:
        """The value of a key, None where there is none."""
        found = self._database.execute("SELECT body FROM note WHERE name = ?", (key,)).fetchone()
        return json.loads(found[0]) if found else None


class StoredPlan:
    """A `FormatPlan` over what a reader gives. Names in it are relative to the file that describes them.

    A file of the source is found by its whole name, else by the longest described name that ends like it or that it
    ends like, if there is but one; `folders` may also name a file's folder. Safe to use from several threads.
    """

    def __init__(
        self,
        files: Iterable[PlannedFile],
        *,
        describing: Iterable[str],
        problems: Problems,
        folders: Iterable[PlannedFile] = (),
    ) -> None:
        """Reads `files` to the end. A name that tries to lead elsewhere becomes a problem, as does a second label."""
        self.describing = frozenset(describing)
        self._lock = threading.Lock()
        # An unnamed database is a temporary file of this connection, gone with it.
        self._database = sqlite_module().connect("", check_same_thread=False)
        self._database.execute("CREATE TABLE said (name TEXT PRIMARY KEY, base TEXT, body TEXT) WITHOUT ROWID")
        self._database.execute("CREATE TABLE folder (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID")
        self._fill(files, problems)
        self._has_folders = self._fill_folders(folders, problems)
        self._database.execute("CREATE INDEX by_base ON said (base)")
        self.problems: Sequence[str] = problems.said()

    def _fill(self, files: Iterable[PlannedFile], problems: Problems) -> None:
        cursor = self._database.cursor()
        cursor.execute("BEGIN")
        for file in files:
            name = heard_name(file.name)
            if name is None:
                problems.add(f"{file.name[:80]!r} leads out of what is imported and is passed over")
                continue
            row = (name, name.rsplit("/", 1)[-1], _body(file))
            cursor.execute("INSERT OR IGNORE INTO said VALUES (?, ?, ?)", row)
            if cursor.rowcount == 0 and self._row("said", name) != row[2]:
                problems.add(f"{name[:80]!r} is described twice and differently; the first one counts")
        cursor.execute("COMMIT")

    def _fill_folders(self, folders: Iterable[PlannedFile], problems: Problems) -> bool:
        named = False
        for folder in folders:
            name = heard_name(folder.name)
            if name is None:
                problems.add(f"the folder {folder.name[:80]!r} leads out of what is imported and is passed over")
                continue
            self._database.execute("INSERT OR IGNORE INTO folder VALUES (?, ?)", (name, _body(folder)))
            named = True
        return named

    def planned(self, name: str) -> PlannedFile:
        """What is said of a file of the source; empty where the description is silent."""
        with self._lock:
            body = self._row("said", name) or self._alike(name) or self._of_folder(name)
        return _file(name, body) if body else PlannedFile(name)

    def named(self) -> Iterator[PlannedFile]:
        """Every file described, by name."""
        last = ""
        while True:
            with self._lock:
                query = "SELECT name, body FROM said WHERE name > ? ORDER BY name LIMIT ?"
                rows = self._database.execute(query, (last, _ROWS)).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for name, body in rows:
                yield _file(name, body)

    def _row(self, table: str, name: str) -> str | None:
        query = "SELECT body FROM said WHERE name = ?" if table == "said" else "SELECT body FROM folder WHERE name = ?"
        found = self._database.execute(query, (name,)).fetchone()
        return found[0] if found else None

    def _alike(self, name: str) -> str | None:
        query = "SELECT name, body FROM said WHERE base = ? LIMIT ?"
        rows = self._database.execute(query, (name.rsplit("/", 1)[-1], _CANDIDATES)).fetchall()
        ends = [row for row in rows if name.endswith(f"/{row[0]}") or row[0].endswith(f"/{name}")]
        longest = max((len(row[0]) for row in ends if name.endswith(f"/{row[0]}")), default=None)
        best = [row for row in ends if longest is None or len(row[0]) == longest]
        return best[0][1] if len(best) == 1 else None

    def _of_folder(self, name: str) -> str | None:
        folder = name if self._has_folders else ""
        while "/" in folder:
            folder = folder.rsplit("/", 1)[0]
            body = self._row("folder", folder) or self._row("folder", folder.rsplit("/", 1)[-1])
            if body is not None:
                return body
        return None


def _body(file: PlannedFile) -> str:
    """What is said of a file, as text; by hand, since `asdict` copies for seconds where there are many."""
    label = file.label
    said: dict[str, Any] = {name: value for name in _SAID if (value := getattr(file, name)) is not None}
    said["label"] = (label.class_name, label.sub_class_name, label.group, dict(label.metadata))
    if file.predictions:
        said["predictions"] = [(p.class_name, p.confidence, p.sub_class_name, p.source) for p in file.predictions]
    return json.dumps(said)


def _file(name: str, body: str) -> PlannedFile:
    said = json.loads(body)
    label = FileLabel(*said.pop("label"))
    predictions = tuple(PlannedPrediction(*each) for each in said.pop("predictions", ()))
    return PlannedFile(name, label, predictions, **said)
