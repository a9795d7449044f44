"""Exports held in memory, for tests of formats: rows placed as a job places them, and a listing of what was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.core.errors import InvalidInput
from app.exchange.formats.names import numbered
from app.exchange.formats.registry import make_writer
from app.exchange.formats.rows import ExportRow
from app.exchange.schemas import Listing

AWKWARD = (
    '=HYPERLINK("http://x")',
    "comma, and \"quotes\" and 'more'",
    "'=already guarded",
    "-2",
    "../../etc/passwd",
    "back\\slash/and: colon*?",
    "Ünïcödé 日本語 🦁",
    "می‌خواهم",
    "CON.jpg",
    "x" * 120,
    "line; semi\tkolon",
    "<script>alert(1)</script>",
)


def rows_of(names: Iterable[str]) -> list[ExportRow]:
    """A row for each name, which is its class, its sub-class, its file and its metadata at once; then three without."""
    rows = [
        ExportRow(
            *(number, "", f"{name}.png", f"{number:064x}", "labelled", name, name[::-1].strip() or name),
            quality="good" if number % 2 else "dark",
            small_subject=number % 3 == 0,
            rotation=90,
            origin="staged",
            split=("train", "validation", "test")[number % 3],
            group=f"g {name}"[:100],
            labelled_by=name,
            labelled_at="2026-01-02T03:04:05+00:00",
            how="manual",
            label_version=2,
            width=640,
            height=480,
            format="jpeg",
            metadata={"site": name, "file": "=1", "n": "7"},
            predictions=((name, 0.75), ("other", 0.25)),
            predicted_by="v3",
        )
        for number, name in enumerate(names, start=1)
    ]
    plain = [(state, f"{state}.jpg") for state in ("pool", "unknown", "none")]
    return rows + [
        ExportRow(1000 + at, "", file, f"{1000 + at:064x}", state, format="jpeg", width=8, height=8)
        for at, (state, file) in enumerate(plain)
    ]


def placed(rows: Iterable[ExportRow], format_name: str) -> list[ExportRow]:
    """The rows with their paths."""
    writer, taken, found = make_writer(format_name), set[str](), []
    for row in rows:
        path, number = writer.place(row), 1
        while path.casefold() in taken:
            number += 1
            path = numbered(writer.place(row), number)
        taken.add(path.casefold())
        found.append(replace(row, path=path))
    return found


def described(rows: list[ExportRow], format_name: str) -> dict[str, bytes]:
    """The describing files by name."""
    writer = make_writer(format_name)
    return {name: b"".join(pieces) for name, pieces in writer.describing(lambda: iter(rows))}


def listing(files: Mapping[str, bytes], pictures: Iterable[str] = ()) -> Listing:
    """A source that holds these files, and pictures that nobody opens."""

    def read(name: str) -> bytes:
        if name not in files:
            raise InvalidInput(f"there is no {name}")
        return files[name]

    return Listing([*files, *pictures], read)
