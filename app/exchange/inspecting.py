"""Looking at an import before anything of it is taken: one pass over the names, a few files by their bytes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from app.core.database import read
from app.core.settings import get_settings
from app.exchange import queries
from app.exchange.findings import (
    MOST_CLASSES,
    MOST_COLUMNS,
    MOST_PROBLEMS,
    MOST_SUB_CLASSES,
    Findings,
    FoundClass,
    FoundColumn,
    Problem,
)
from app.exchange.formats.registry import FORMATS
from app.exchange.mapping import KnownNames, group_of
from app.exchange.reading import Listed, list_source, open_plan
from app.exchange.schemas import FormatPlan, PlannedFile
from app.library.intake import known_images
from app.library.listing import Entry, FileLabel, Source
from app.library.reading import UNREADABLE, read_within
from app.library.schemas import ImportRequest, SourceKind

_JPEG: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"})
_PICTURES: Final = _JPEG | {".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"}
_NEAR_AT_HAND: Final = frozenset({SourceKind.FOLDER, SourceKind.ZIP, SourceKind.UPLOAD})
_COMPARED_FILES: Final = 400
_COMPARED_BYTES: Final = 256 * 2**20
_MOST_VALUES: Final = 1_000
_SAMPLES: Final = 3
_FOLDER_LEVELS: Final = 3
_REPORT_EVERY: Final = 2_000

Progress = Callable[[int, int], object]


def inspect(request: ImportRequest, source: Source, *, project_id: int, progress: Progress) -> Findings:
    """What an import would bring. Raises InvalidInput, NotFound, TooLarge where its source or description is unusable.

    `progress(done, total)` is called now and then; what it raises ends the look.
    """
    progress(0, 0)
    listed = list_source(source)
    chosen, plan = open_plan(request, listed.entries)
    pictures = [entry for entry in listed.entries if entry.name not in plan.describing]
    tally = _Tally(plan)
    for at, entry in enumerate(pictures):
        if at % _REPORT_EVERY == 0:
            progress(at, len(pictures))
        tally.add(entry)
    names = {entry.name for entry in pictures}
    missing = [planned for planned in plan.named() if planned.name not in names]
    is_near = request.kind in _NEAR_AT_HAND
    compared, known = _compare(project_id, pictures) if is_near else (0, 0)
    sizes = [entry.size for entry in pictures]
    return Findings(
        format=chosen.name,
        format_title=chosen.title,
        formats=[(one.name, one.title) for one in FORMATS],
        files=len(pictures),
        byte_count=None if None in sizes else sum(size or 0 for size in sizes),
        labelled=tally.labelled,
        predictions=tally.predictions,
        classes=tally.found_classes(project_id),
        more_classes=max(0, len(tally.classes) - MOST_CLASSES),
        columns=tally.found_columns(),
        groups={rule: len(groups) for rule, groups in tally.groups.items()},
        compared=compared,
        known=known,
        too_large=sum((size or 0) > get_settings().max_upload_bytes for size in sizes),
        empty=sizes.count(0),
        other_names=dict(tally.other_names.most_common(20)),
        missing=len(missing),
        skipped=len(listed.skipped),
        problems=_problems(listed, missing),
        format_problems=list(plan.problems)[:MOST_PROBLEMS],
    )


@dataclass(slots=True)
class _Tally:
    """What the files of an import say, counted one by one."""

    plan: FormatPlan
    labelled: int = 0
    predictions: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    sub_classes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    columns: Counter[str] = field(default_factory=Counter)
    values: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    other_names: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Count one file."""
        planned = self.plan.planned(entry.name)
        label = planned.label
        self.predictions += bool(planned.predictions)
        if label.class_name is not None:
            self.labelled += 1
            self.classes[label.class_name] += 1
            if label.sub_class_name:
                self.sub_classes[label.class_name][label.sub_class_name] += 1
        self._add_metadata(label)
        self._add_groups(entry.name, label)
        suffix = PurePosixPath(entry.name).suffix.lower()
        if suffix not in _PICTURES:
            self.other_names[suffix[:20]] += 1

    def _add_metadata(self, label: FileLabel) -> None:
        for name, value in label.metadata.items():
            self.columns[name] += 1
            values = self.values[name]
            if len(values) < _MOST_VALUES:
                values[value] = None

    def _add_groups(self, name: str, label: FileLabel) -> None:
        if label.group is not None:
            self.groups["named"].add(label.group)
        for level in range(1, min(name.count("/"), _FOLDER_LEVELS) + 1):
            rule = f"folders:{level}"
            group = group_of(name, FileLabel(), rule)
            if group is not None:
                self.groups[rule].add(group)

    def found_classes(self, project_id: int) -> list[FoundClass]:
        """The classes, the most frequent first, each with what is proposed."""
        with read() as session:
            known = KnownNames(*queries.class_names_and_aliases(session, project_id))
        found = []
        for name, files in self.classes.most_common(MOST_CLASSES):
            proposal = known.propose(name)
            found.append(
                FoundClass(
                    name=name,
                    files=files,
                    sub_classes=self.sub_classes[name].most_common(MOST_SUB_CLASSES)
                    if name in self.sub_classes
                    else [],
                    proposed=proposal.class_name,
                    likeness=proposal.likeness,
                )
            )
        return found

    def found_columns(self) -> list[FoundColumn]:
        """The metadata columns, the most frequent first."""
        return [
            FoundColumn(
                name=name[:200],
                files=files,
                values=len(self.values[name]),
                samples=[value[:80] for value in list(self.values[name])[:_SAMPLES]],
            )
            for name, files in self.columns.most_common(MOST_COLUMNS)
        ]


def _problems(listed: Listed, missing: Sequence[PlannedFile]) -> list[Problem]:
    problems = [Problem(name=file.name, reason=file.reason) for file in listed.skipped[:MOST_PROBLEMS]]
    room = MOST_PROBLEMS - len(problems)
    reason = "the description names it; it is not among the files"
    return problems + [Problem(name=planned.name[:200], reason=reason) for planned in missing[:room]]


def _compare(project_id: int, pictures: Sequence[Entry]) -> tuple[int, int]:
    """How many of some files, spread over all, were compared by their bytes, and how many are in the library."""
    with read() as session:
        if not queries.has_images(session, project_id):
            return 0, 0
    step = max(1, len(pictures) // _COMPARED_FILES)
    digests: list[str] = []
    room = _COMPARED_BYTES
    for entry in pictures[::step][:_COMPARED_FILES]:
        try:
            content = read_within(entry, max(0, room))
        except UNREADABLE:
            continue
        room -= content.byte_count
        digests.append(content.digest)
        if room < 0:
            break
    with read() as session:
        known = known_images(session, project_id, digests)
    return len(digests), sum(digest in known for digest in digests)
