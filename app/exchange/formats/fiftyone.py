"""FiftyOneImageClassificationDataset: `data/` and `labels.json`.

https://docs.voxel51.com/user_guide/import_datasets.html : `labels` maps a path below data/ without its suffix to a
class (its place in `classes` where there are any), to null, or to an object with label, confidence and attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.core.errors import InvalidInput
from app.exchange.formats.documents import beside, describing, entries, first_with, members
from app.exchange.formats.names import file_part
from app.exchange.formats.plan import Notes, Problems, StoredPlan
from app.exchange.formats.rows import EXTRA_KEY, ExportRow, Rows, extras, json_members, kept_fields, planned
from app.exchange.formats.rows import json_entries as json_list
from app.exchange.schemas import Format, Listing, PlannedFile

LABELS_NAME: Final = "labels.json"
DATA: Final = "data/"


class FiftyOneWriter:
    """`data/` and `labels.json`, whose third member, which FiftyOne passes over, has what a label cannot carry."""

    name = "fiftyone"
    title = "FiftyOne classification"

    def place(self, row: ExportRow) -> str:
        """All in one folder."""
        return f"{DATA}{file_part(row.file, row.format)}"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The labels."""
        yield LABELS_NAME, _labels(rows)


def _labels(rows: Rows) -> Iterator[bytes]:
    classes = sorted({row.class_name for row in rows() if row.class_name})
    places = {name: at for at, name in enumerate(classes)}
    yield b'{\n"classes": ['
    yield from json_list(classes)
    yield b'],\n"labels": {'
    yield from json_members((_key(row.path), _target(row, places)) for row in rows())
    yield b'},\n"' + EXTRA_KEY.encode() + b'": {'
    yield from json_members((_key(row.path), extras(row)) for row in rows())
    yield b"}\n}\n"


def _key(path: str) -> str:
    return path.removeprefix(DATA).rpartition(".")[0]


def _target(row: ExportRow, places: Mapping[str, int]) -> object:
    if not row.class_name:
        return None
    if not row.sub_class:
        return places[row.class_name]
    return {"label": places[row.class_name], "attributes": {"sub_class": row.sub_class}}


def _labels_name(listing: Listing) -> str | None:
    return first_with(listing, "labels")


def _read(listing: Listing) -> StoredPlan:
    name = _labels_name(listing)
    if name is None:
        raise InvalidInput("a FiftyOne data set has a labels.json with a member 'labels'; there is none")
    content = listing.read(name)
    classes = [str(entry) for entry in entries(name, content, "classes.item")]
    problems = Problems()
    files = _suffixes(listing, beside(name, DATA))
    extra = Notes(members(name, content, EXTRA_KEY))

    def labelled() -> Iterator[PlannedFile]:
        for key, target in members(name, content, "labels"):
            class_name, sub_class = _told(target, classes, key, problems)
            file = beside(name, f"{DATA}{key}{files.get(key, '')}")
            yield planned(file, class_name, kept=kept_fields(extra.get(key)), sub_class=sub_class)

    return StoredPlan(labelled(), describing=describing(listing, name), problems=problems)


def _suffixes(listing: Listing, data: str) -> dict[str, str]:
    """The suffix of each file below data/, by its path without it."""
    inside = (name.removeprefix(data) for name in listing.names if name.startswith(data))
    return {stem: f".{suffix}" for stem, dot, suffix in (name.rpartition(".") for name in inside) if dot}


def _told(target: Any, classes: list[str], key: str, problems: Problems) -> tuple[str | None, str | None]:
    """Class and sub-class of a target."""
    sub_class = None
    if isinstance(target, dict):
        attributes = target.get("attributes")
        sub_class = attributes.get("sub_class") if isinstance(attributes, dict) else None
        target = target.get("label")
    if isinstance(target, list):
        if len(target) > 1:
            problems.add(f"{key[:80]!r} has {len(target)} classes; one image takes one, so it gets none")
        target = target[0] if len(target) == 1 else None
    if isinstance(target, int) and not isinstance(target, bool):
        if not 0 <= target < len(classes):
            problems.add(f"{key[:80]!r} has class {target}, of which there are {len(classes)}")
            return None, None
        return classes[target], sub_class
    return (target if isinstance(target, str) else None), sub_class


FIFTYONE = Format("fiftyone", "FiftyOne classification", lambda listing: _labels_name(listing) is not None, _read)
