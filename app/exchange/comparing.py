"""The work that compares an edited CSV file with the labels as they are: what it would change, and what it cannot.

The changes are kept beside, so that applying them later does what was shown.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from app.core.database import Json, read, sqlite_module, write
from app.core.storage import get_storage
from app.exchange.formats.columns import TableRow, read_rows
from app.exchange.formats.rows import word
from app.exchange.matching import find_images
from app.exchange.relabel_rows import BadRow, Now, Wanted, exported_version, is_unedited, wanted
from app.labelling.actions import label_text
from app.labelling.class_names import class_named
from app.library.models import ImageState
from app.library.uploads import staged_files, upload_folder
from app.runs.context import RunContext

ROWS: Final = 1_000
SHOWN: Final = 100
_WORK: Final = "compare"
_OUT_OF_REACH: Final = {
    ImageState.REMOVED.value: "the image is removed; restore it first",
    ImageState.QUARANTINED.value: "the image could not be decoded",
}


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What a row changes on an image that had this label version when it was compared."""

    image_id: int
    version: int
    wanted: Wanted


@dataclass(slots=True)
class Findings:
    """How many rows of each kind there are, the first SHOWN of each, and the classes that would be made.

    Kinds: `changes`, `unedited`, `same`, `unknown`, `ambiguous`, `changed_since`, `refused`, `repeated`.
    """

    counts: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[Json]] = field(default_factory=dict)
    new_classes: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, row: TableRow, **details: object) -> None:
        """Count a row, and keep it while few are kept."""
        self.counts[kind] += 1
        kept = self.shown.setdefault(kind, [])
        if len(kept) < SHOWN:
            file = row.cells.get("file") or row.cells.get("sha256") or ""
            kept.append({"line": row.line, "file": file[:200], **details})

    def to_json(self) -> Json:
        """For a run's result; of new classes the most frequent."""
        classes = self.new_classes.most_common(SHOWN)
        return {"counts": dict(self.counts), "shown": self.shown, "new_classes": classes}


class Plan:
    """The changes of a comparison, in a file of its own; each image once."""

    def __init__(self, path: Path) -> None:
        self._database: sqlite3.Connection = sqlite_module().connect(str(path), isolation_level=None)
        self._database.execute("CREATE TABLE IF NOT EXISTS change (id INTEGER PRIMARY KEY, version INTEGER, body TEXT)")

    def begin(self) -> None:
        """What is added from here on counts once it is saved."""
        self._database.execute("BEGIN")

    def add(self, change: PlannedChange) -> bool:
        """Keep a change; False where the image has one already."""
        values = (change.image_id, change.version, json.dumps(change.wanted.to_json()))
        return self._database.execute("INSERT OR IGNORE INTO change VALUES (?, ?, ?)", values).rowcount == 1

    def save(self) -> None:
        """Make what was added durable."""
        self._database.execute("COMMIT")

    def count(self) -> int:
        """How many images change."""
        return int(self._database.execute("SELECT count(*) FROM change").fetchone()[0])

    def parts(self, size: int = ROWS) -> Iterator[list[PlannedChange]]:
        """The changes by rising image id."""
        last = 0
        query = "SELECT id, version, body FROM change WHERE id > ? ORDER BY id LIMIT ?"
        while rows := self._database.execute(query, (last, size)).fetchall():
            last = rows[-1][0]
            yield [PlannedChange(row[0], row[1], Wanted(**json.loads(row[2]))) for row in rows]

    def close(self) -> None:
        """Give the file back."""
        self._database.close()


def plan_path(run_id: int) -> Path:
    """Where the plan of a comparison lies."""
    return get_storage().work_dir(_WORK, run_id) / "plan.db"


def compare(context: RunContext) -> None:
    """Do a comparison run. Parameters: `upload`, the id of an upload that holds the table. Repeatable."""
    folder = upload_folder(context.parameters["upload"], context.project_id)
    content = (folder / staged_files(folder)[0].stored_as).read_bytes()
    path = plan_path(context.run_id)
    path.unlink(missing_ok=True)
    plan, findings = Plan(path), Findings()
    plan.begin()
    total = max(1, content.count(b"\n") - 1)
    rows = read_rows(content, is_ours=True)
    names = _Names(context.project_id)
    done = 0
    while chunk := list(islice(rows, ROWS)):
        _compare_some(context.project_id, chunk, plan=plan, findings=findings, names=names)
        done += len(chunk)
        context.progress(done, max(total, done), "Comparing")
    plan.save()
    plan.close()
    with write() as session:
        context.complete(session, {"rows": done, **findings.to_json()})
    shutil.rmtree(folder, ignore_errors=True)


class _Names:
    """Class names as the project knows them, each looked up once."""

    def __init__(self, project_id: int) -> None:
        self._project_id = project_id
        self._known: dict[str, str | None] = {}

    def known(self, session: Session, name: str) -> str | None:
        """The class that a name or an alias means; None for a new one."""
        if name not in self._known:
            found = class_named(session, self._project_id, name)
            self._known[name] = found.name if found is not None else None
        return self._known[name]


def _compare_some(project_id: int, rows: Iterable[TableRow], *, plan: Plan, findings: Findings, names: _Names) -> None:
    edited = []
    for row in rows:
        if is_unedited(row):
            findings.counts["unedited"] += 1
        else:
            edited.append(row)
    with read() as session:
        images = find_images(session, project_id, edited)
        meant = [_with_known_class(session, row, names) for row in edited]
    for row, (told, new_class), now in zip(edited, meant, images, strict=True):
        if isinstance(now, str):
            findings.add(now, row)
            continue
        try:
            kind, details = _judge(told, now, plan)
        except BadRow as error:
            kind, details = "refused", {"why": str(error)}
        findings.add(kind, row, image_id=now.image_id, file=now.file, turn=now.rotation, **details)
        if kind == "changes" and new_class:
            findings.new_classes[new_class] += 1


def _with_known_class(session: Session, row: TableRow, names: _Names) -> tuple[TableRow, str | None]:
    """The row with the class as the project calls it, and its name if it is a new one."""
    name = word(row.cells.get("class"))
    if name is None:
        return row, None
    known = names.known(session, name)
    return replace(row, cells={**row.cells, "class": known or name}), None if known else name


def _judge(row: TableRow, now: Now, plan: Plan) -> tuple[str, Json]:
    asked = wanted(row, now)
    if asked.is_nothing:
        return "same", {}
    if now.state in _OUT_OF_REACH:
        raise BadRow(_OUT_OF_REACH[now.state])
    said = {"now": label_text(now.state, now.class_name or None, now.sub_class or None), "wanted": _words(asked)}
    version = exported_version(row)
    if version is not None and version != now.version:
        return "changed_since", said
    if not plan.add(PlannedChange(now.image_id, now.version, asked)):
        return "repeated", said
    return "changes", said


def _words(asked: Wanted) -> str:
    """What a row asks for, in words."""
    parts = []
    if asked.class_name or asked.state:
        parts.append(label_text(asked.state or "", asked.class_name, asked.sub_class or None))
    if asked.quality is not None:
        parts.append(f"quality {asked.quality.replace('_', ' ') or 'not judged'}")
    if asked.is_small_subject is not None:
        parts.append("small subject" if asked.is_small_subject else "no small subject")
    if asked.rotation is not None:
        parts.append(f"turned by {asked.rotation}°")
    return ", ".join(parts)
