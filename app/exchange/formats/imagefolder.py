"""Hugging Face `imagefolder`: a folder for each split, in it images and `metadata.jsonl` (or .csv).

https://huggingface.co/docs/datasets/image_dataset : `file_name` is relative to the metadata file; where there is one,
folder names are no labels any more, so the label stands in a column.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.core.errors import InvalidInput
from app.exchange.formats.columns import read_rows
from app.exchange.formats.documents import describing
from app.exchange.formats.names import file_part
from app.exchange.formats.plan import Problems, StoredPlan
from app.exchange.formats.rows import ExportRow, Rows, json_entries, planned
from app.exchange.schemas import Format, Listing, PlannedFile

SPLITS: Final = ("train", "validation", "test")
_FIELDS: Final = (
    *("file_name", "label", "sub_class", "state", "quality", "small_subject", "rotation", "origin", "split"),
    *("group", "labelled", "label_version", "sha256", "arrived_as", "metadata"),
)
_OURS: Final = frozenset({"file_name", "label", "state", "sha256", "label_version"})
_NO_METADATA: Final = frozenset({"file_name", "label", "sub_class", "group"})
_TABLES: Final = ("metadata.jsonl", "metadata.csv")


class ImageFolderWriter:
    """train/, validation/ and test/ with a metadata.jsonl each; an image that no split has drawn yet lies in train/."""

    name = "imagefolder"
    title = "Hugging Face imagefolder"

    def place(self, row: ExportRow) -> str:
        """A folder for each split."""
        return f"{row.split or SPLITS[0]}/{file_part(row.file, row.format)}"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The metadata of each split that has an image."""
        for split in sorted({row.split or SPLITS[0] for row in rows()}):
            yield f"{split}/{_TABLES[0]}", (_line(row, split) for row in rows() if (row.split or SPLITS[0]) == split)


def _line(row: ExportRow, split: str) -> bytes:
    """One image. The tables of all splits must come out with the same columns of the same types.

    Types are guessed from the values: so there is no null, no text that could be taken for a time in one split and not
    in another, and metadata are one text.
    """
    said: dict[str, Any] = {
        "file_name": row.path.removeprefix(f"{split}/"),
        "label": row.class_name,
        "sub_class": row.sub_class,
        "state": row.state,
        "quality": row.quality,
        "small_subject": row.small_subject,
        "rotation": row.rotation,
        "origin": row.origin,
        "split": row.split,
        "group": row.group,
        "labelled": ", ".join(part for part in (row.labelled_by, row.how, row.labelled_at) if part),
        "label_version": row.label_version,
        "sha256": row.sha256,
        "arrived_as": row.file,
        "metadata": json.dumps(dict(row.metadata), ensure_ascii=False),
    }
    return b"".join(json_entries([said])).lstrip() + b"\n"


def _tables(listing: Listing) -> list[str]:
    return [name for name in listing.names if name.rsplit("/", 1)[-1].lower() in _TABLES]


def _read(listing: Listing) -> StoredPlan:
    names = _tables(listing)
    if not names:
        raise InvalidInput("an image folder has a metadata.jsonl or metadata.csv; there is none")
    problems = Problems()

    def files() -> Iterator[PlannedFile]:
        for name in names:
            inside = name.rpartition("/")[0]
            read = _read_lines if name.lower().endswith(".jsonl") else _read_table
            for said in read(name, listing.read(name)):
                file = said.get("file_name")
                if not isinstance(file, str) or not file.strip():
                    problems.add(f"an entry of {name[:80]!r} has no file_name")
                    continue
                yield _planned(f"{inside}/{file}" if inside else file, said)

    return StoredPlan(files(), describing=describing(listing, *names), problems=problems)


def _read_lines(name: str, content: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"line {number} of {name[:80]!r} must be a JSON object: {error}") from error
        if not isinstance(said, dict):
            raise InvalidInput(f"line {number} of {name[:80]!r} must be a JSON object; received {type(said).__name__}")
        yield said


def _read_table(name: str, content: bytes) -> Iterator[dict[str, Any]]:
    del name
    for row in read_rows(content):
        told = {"file_name": row.cells.get("file"), "label": row.cells.get("class")}
        yield {**row.metadata, **told, "sub_class": row.cells.get("sub_class"), "group": row.cells.get("group")}


def _planned(name: str, said: Mapping[str, Any]) -> PlannedFile:
    is_ours = said.keys() >= _OURS
    label = said.get("label")
    class_name = label if isinstance(label, str) else None if label is None else str(label)
    kept = {**(said if is_ours else {}), "group": said.get("group"), "class_name": label, "metadata": {}}
    metadata = _own_metadata(said.get("metadata")) if is_ours else _metadata(said)
    return planned(name, class_name, kept=kept, sub_class=said.get("sub_class"), metadata=metadata)


def _own_metadata(text: object) -> dict[str, str]:
    try:
        told = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}


def _metadata(said: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in said.items()
        if key not in _NO_METADATA and value is not None and value != ""
    }


IMAGEFOLDER = Format("imagefolder", "Hugging Face imagefolder", lambda listing: bool(_tables(listing)), _read)
