"""What the preview calls things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.core.texts import tr
from app.exchange.findings import Findings
from app.exchange.formats.registry import FORMATS
from app.exchange.mapping import Likeness
from app.library.schemas import ImportRequest

_ORDER: Final[dict[Likeness, int]] = {"spelling": 0, "new": 1, "alias": 2, "case": 3, "same": 4}


@dataclass(frozen=True, slots=True)
class ShownClass:
    """One arriving class, and what it becomes: a name, or nothing. `likeness` is why that was proposed."""

    name: str
    files: int
    sub_classes: str
    becomes: str
    proposed: str
    likeness: Likeness
    is_known: bool


def format_words() -> list[tuple[str, str]]:
    """Name and title of each format."""
    return [(one.name, one.title) for one in FORMATS]


def likeness_words() -> dict[str, str]:
    """Why a class was proposed, by likeness."""
    return {
        "same": tr("the same name"),
        "case": tr("the same but for capitals"),
        "alias": tr("an alias of it"),
        "spelling": tr("spelled nearly so: please check"),
        "new": "",
    }


def shown_classes(findings: Findings, chosen: ImportRequest, names: list[str]) -> list[ShownClass]:
    """Every arriving class: guesses first, then new ones, then those that are clear; the most frequent first."""
    known = {name.casefold() for name in names}
    shown = []
    for found in findings.classes:
        target = chosen.class_map.get(found.name)
        becomes = found.name if target is None else target.class_name or ""
        shown.append(
            ShownClass(
                name=found.name,
                files=found.files,
                sub_classes=", ".join(f"{name} {files:,}" for name, files in found.sub_classes),
                becomes=becomes,
                proposed=found.proposed,
                likeness=found.likeness,
                is_known=becomes.casefold() in known,
            )
        )
    return sorted(shown, key=lambda one: _ORDER[one.likeness])


def group_rules(findings: Findings) -> list[tuple[str, str]]:
    """The rules by which capture groups can be told, with the number of groups where it is known."""
    rules = [("exif", tr("Bursts: one camera within a few seconds")), ("none", tr("None"))]
    for rule, count in sorted(findings.groups.items()):
        kind, _, level = rule.partition(":")
        if kind == "folders" and level == "1":
            rules.append((rule, tr("The first folder (%(count)s groups)", count=f"{count:,}")))
        elif kind == "folders":
            rules.append((rule, tr("The first %(level)s folders (%(count)s groups)", level=level, count=f"{count:,}")))
    for column in findings.columns:
        words = {"name": column.name, "count": f"{column.values:,}"}
        rules.append((f"column:{column.name}", tr("Column %(name)s (%(count)s values)", **words)))
    return rules
