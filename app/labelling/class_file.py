"""A class list as a file: read from CSV or plain lines, compared with what is there, written, and exported again.

Columns: name, sub_class, aliases (separated by "|"), note, colour, key. A row with a sub_class adds that sub-class to
its class; the other columns are those of the class. A list without a header is one class a line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.core.errors import InvalidInput, WinnowError
from app.core.spreadsheet import csv_text, plain_cell
from app.core.texts import tr
from app.labelling.class_counts import ClassRow, class_rows
from app.labelling.class_names import class_named, clean_name, sub_class_named
from app.labelling.classes import change_class, create_class, create_sub_class, ensure_class
from app.labelling.models import folded
from app.labelling.schemas import MAX_NOTE

COLUMNS = ("name", "sub_class", "aliases", "note", "colour", "key")
MOST_CLASSES = 5_000


@dataclass(slots=True)
class Listed:
    """A class of the list, with all its rows together. None: the list says nothing of it, so it stays."""

    name: str
    sub_classes: list[str] = field(default_factory=list)
    aliases: list[str] | None = None
    note: str | None = None
    colour: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What the list would do to one class: `is_new`, or the parts that change as (what, before, after)."""

    name: str
    is_new: bool
    changes: tuple[tuple[str, str, str], ...]


def read_list(text: str) -> list[Listed]:
    """The classes of a list, in its order, each once whatever its capitals. Raises InvalidInput."""
    lines = text.lstrip("\ufeff")
    first = lines.partition("\n")[0]
    columns = [each.strip().casefold() for each in next(csv.reader([first]), [])]
    rows: Iterator[Mapping[str, str | None]]
    if "name" in columns:
        reader = csv.reader(io.StringIO(lines), strict=False)
        next(reader)
        rows = ({name: plain_cell(cell) for name, cell in zip(columns, row, strict=False)} for row in reader)
    else:
        columns = ["name"]
        rows = ({"name": line.strip()} for line in lines.splitlines())
    found: dict[str, Listed] = {}
    try:
        for row in rows:
            if (row.get("name") or "").strip():
                _take(found, row, columns)
    except csv.Error as error:
        raise InvalidInput(tr("this is no CSV: %(why)s", why=str(error))) from error
    if not found:
        raise InvalidInput(tr("the list names no class; its first line may be a header with a column 'name'"))
    return list(found.values())


def _take(found: dict[str, Listed], row: Mapping[str, str | None], columns: list[str]) -> None:
    name = clean_name(row["name"] or "")
    one = found.setdefault(folded(name), Listed(name))
    if len(found) > MOST_CLASSES:
        raise InvalidInput(tr("a list has at most %(most)s classes", most=f"{MOST_CLASSES:,}"))
    if (sub := (row.get("sub_class") or "").strip()) and folded(sub) not in map(folded, one.sub_classes):
        one.sub_classes.append(clean_name(sub))
    if aliases := [each.strip() for each in (row.get("aliases") or "").split("|") if each.strip()]:
        one.aliases = list(dict.fromkeys([*(one.aliases or []), *map(clean_name, aliases)]))
    for part in ("note", "colour", "key"):
        if part in columns and (said := (row.get(part) or "").strip()):
            setattr(one, part, said[:MAX_NOTE])


def differences(session: Session, project_id: int, listed: list[Listed]) -> list[Difference]:
    """What each class of the list would change; those that are as listed are left out."""
    by_name: dict[str, ClassRow] = {}
    for row in class_rows(session, project_id):
        by_name |= {folded(each): row for each in (*row.aliases, row.name)}
    found = []
    for one in listed:
        known = by_name.get(folded(one.name))
        changes = tuple(_changes(one, known))
        if known is None or changes:
            found.append(Difference(one.name, known is None, changes))
    return found


def _changes(one: Listed, row: ClassRow | None) -> Iterator[tuple[str, str, str]]:
    if row is not None and row.archived_at is not None:
        yield tr("archived"), "", tr("brought back")
    known = {folded(name) for _, name in row.sub_classes} if row else set()
    if new := [each for each in one.sub_classes if folded(each) not in known]:
        yield tr("sub-classes"), "", ", ".join(new)
    old_aliases = sorted(row.aliases) if row else []
    if one.aliases is not None and sorted(one.aliases) != old_aliases:
        yield tr("aliases"), ", ".join(old_aliases), ", ".join(one.aliases)
    for part, word in (("note", tr("note")), ("colour", tr("colour")), ("key", tr("key"))):
        said, before = getattr(one, part), (getattr(row, part) or "") if row else ""
        if said is not None and said.casefold() != before.casefold():
            yield word, before, said


def apply_list(session: Session, *, project_id: int, listed: list[Listed], user_id: int) -> tuple[int, int]:
    """Write the list: how many classes it made, how many it changed. All or nothing: a refusal names its class."""
    made = changed = 0
    wanted = {each.name for each in differences(session, project_id, listed)}
    for one in listed:
        if one.name not in wanted:
            continue
        try:
            is_new = _write(session, project_id, one, user_id)
        except WinnowError as error:
            raise type(error)(tr("%(name)s: %(why)s", name=one.name, why=error.message)) from error
        made, changed = made + is_new, changed + (not is_new)
    return made, changed


def _write(session: Session, project_id: int, one: Listed, user_id: int) -> bool:
    known = class_named(session, project_id, one.name)
    if known is None:
        owner = create_class(
            session,
            project_id=project_id,
            name=one.name,
            note=one.note or "",
            user_id=user_id,
            aliases=one.aliases or (),
            colour=one.colour or "",
            key=one.key or "",
        )
    else:
        class_id, _ = ensure_class(session, project_id, one.name, user_id=user_id)
        owner = change_class(
            session,
            project_id=project_id,
            class_id=class_id,
            name=known.name,
            note=known.note if one.note is None else one.note,
            user_id=user_id,
            aliases=one.aliases,
            colour=one.colour,
            key=one.key,
        )
    for sub in one.sub_classes:
        if sub_class_named(session, owner.id, sub) is None:
            create_sub_class(session, project_id=project_id, class_id=owner.id, name=sub, user_id=user_id)
    return known is None


def list_csv(rows: list[ClassRow]) -> str:
    """The classes in use as a list that `read_list` takes: one line a class, then one for each of its sub-classes."""
    lines: list[tuple[str, ...]] = [COLUMNS]
    for row in rows:
        if row.archived_at is None:
            lines.append((row.name, "", "|".join(row.aliases), row.note, row.colour or "", row.key or ""))
            lines += [(row.name, name, "", "", "", "") for _, name in row.sub_classes]
    return csv_text(lines)
