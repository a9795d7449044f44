"""From a source and a request to a plan: which format, and what it says of each file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.core.errors import InvalidInput
from app.exchange.formats.registry import find_format, recognise
from app.exchange.mapping import group_of, mapped
from app.exchange.schemas import Format, FormatPlan, Listing
from app.library.listing import Entry, FileLabel, Skipped, Source
from app.library.models import Origin
from app.library.reading import UNREADABLE, Labels, read_within
from app.library.schemas import ImportRequest

MAX_DESCRIPTION_BYTES: Final = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Listed:
    """Every file of a source, and those that are not even tried."""

    entries: Sequence[Entry]
    skipped: Sequence[Skipped]


def list_source(source: Source) -> Listed:
    """The whole listing; nothing is opened."""
    entries, skipped = [], []
    for file in source.files():
        if isinstance(file, Skipped):
            skipped.append(file)
        else:
            entries.append(file)
    return Listed(entries, skipped)


def open_plan(request: ImportRequest, entries: Sequence[Entry]) -> tuple[Format, FormatPlan]:
    """The request's format, or the one that is recognised, and its plan. Raises InvalidInput."""
    listing = _listing(request, entries)
    chosen = find_format(request.format) if request.format else recognise(listing)
    return chosen, chosen.read(listing)


def open_labels(request: ImportRequest, source: Source) -> Labels:
    """How the import run labels files: the format's plan with the request's choices laid over. Raises InvalidInput."""
    _, plan = open_plan(request, list_source(source).entries)
    return labels_of(request, plan)


def labels_of(request: ImportRequest, plan: FormatPlan) -> Labels:
    """A plan with the request's choices laid over."""

    def label_of(name: str) -> FileLabel:
        told = plan.planned(name).label
        grouped = replace(told, group=group_of(name, told, request.groups))
        return mapped(grouped, request)

    def origin_of(name: str) -> Origin | None:
        told = plan.planned(name).origin
        return Origin(told) if told in list(Origin) else None

    return Labels(label_of, origin_of, plan.describing)


def _listing(request: ImportRequest, entries: Sequence[Entry]) -> Listing:
    by_name = {entry.name: entry for entry in entries}
    outside = Path(request.labels_path) if request.labels_path else None
    names = list(by_name)
    if outside is None:
        return Listing(names, lambda name: _content(by_name, name))
    # The named file speaks for the import, wherever it lies; another one among the files does not.
    folder = Path(request.path)
    its_name = outside.relative_to(folder).as_posix() if outside.is_relative_to(folder) else outside.name
    return Listing(
        [its_name, *(name for name in names if name != its_name)],
        lambda name: _content({its_name: _file_entry(its_name, outside)} if name == its_name else by_name, name),
    )


def _file_entry(name: str, path: Path) -> Entry:
    return Entry(name, lambda: path.open("rb"))


def _content(by_name: dict[str, Entry], name: str) -> bytes:
    if name not in by_name:
        raise InvalidInput(f"there is no file {name[:200]!r} among what is imported")
    try:
        content = read_within(by_name[name], MAX_DESCRIPTION_BYTES).content
    except UNREADABLE as error:
        raise InvalidInput(f"{name[:200]!r} cannot be read: {error}") from error
    if content is None:
        raise InvalidInput(f"a file with labels may have at most {MAX_DESCRIPTION_BYTES:,} bytes; {name!r} has more")
    return content
