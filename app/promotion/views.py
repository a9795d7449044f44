"""What the pages of one version show, gathered in one read session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.evaluation.queries import ClassLine, SubsetLine, class_lines, subset_lines
from app.promotion import comparison, queries, service
from app.promotion.comparison import ClassChange
from app.promotion.queries import VersionCard
from app.promotion.rules import Paired
from app.promotion.schemas import ClassOrder, Direction
from app.registry.models import ModelVersion
from app.registry.queries import newest_versions, production, version_by_number, version_classes
from app.registry.schemas import FrozenClass, Production, VersionRef

PARITY_MARGIN = 1e-3


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version. `shown` is the set whose figures stand in full; None before it was evaluated."""

    card: VersionCard
    classes: Sequence[FrozenClass]
    serving: Production | None
    lines: Sequence[SubsetLine]
    shown: SubsetLine | None
    class_lines: Sequence[ClassLine]
    unmeasured: Sequence[str]
    evaluation_run_id: int | None
    compare_with: int | None
    sort: ClassOrder
    order: Direction
    text: str

    @property
    def overconfidence(self) -> float:
        """Mean confidence minus accuracy on the set shown: above 0 the version is surer than it is right."""
        rows = self.shown.evaluation.figures["reliability"] if self.shown else []
        images = sum(row["images"] for row in rows)
        return sum(row["images"] * (row["confidence"] - row["accuracy"]) for row in rows) / images if images else 0.0


def version_view(
    session: Session, version: VersionRef, *, subset: str, sort: ClassOrder, order: Direction, text: str
) -> VersionView:
    """A version's page; `subset` "" shows the test split, or the first set it was measured on."""
    lines = subset_lines(session, version)
    by_name = {line.evaluation.subset: line for line in lines}
    shown = by_name.get(subset) or by_name.get("test") or (lines[0] if lines else None)
    found = class_lines(session, version, shown.evaluation) if shown else []
    serving = production(session, version.project_id)
    return VersionView(
        card=queries.version_card(session, version),
        classes=version_classes(session, version.id),
        serving=serving,
        lines=lines,
        shown=shown,
        class_lines=ordered(found, sort=sort, order=order, text=text),
        unmeasured=comparison.unmeasured_sets(session, version.project_id, version.id),
        evaluation_run_id=service.evaluation_under_way(session, version.id),
        compare_with=queries.other_to_compare(session, version, serving),
        sort=sort,
        order=order,
        text=text,
    )


def ordered(lines: Sequence[ClassLine], *, sort: ClassOrder, order: Direction, text: str) -> list[ClassLine]:
    """Classes whose name contains `text`, in the order asked for; those not measured come last by any figure."""
    wanted = [line for line in lines if text.casefold().strip() in line.name.casefold()]
    is_reversed = order == "descending"
    if sort == "name":
        return sorted(wanted, key=lambda line: line.name.casefold(), reverse=is_reversed)
    sign = -1 if is_reversed else 1

    def place(line: ClassLine) -> tuple[bool, float, str]:
        figures = {
            "images": float(line.images),
            "precision": line.precision,
            "recall": line.recall.value,
            "f1": line.f1,
        }
        value = figures[sort]
        is_unknown = value is None or not (line.is_measured or sort == "images")
        return is_unknown, sign * (value or 0.0), line.name.casefold()

    return sorted(wanted, key=place)


@dataclass(frozen=True, slots=True)
class Side:
    """What a version costs to serve: the exported trunk's size, and its speed where it was made."""

    number: int
    made_by: str
    precision: str
    byte_count: int
    images_per_second: float | None


@dataclass(frozen=True, slots=True)
class CompareView:
    """A version against another; `other` is None where there is no second one."""

    other: VersionRef | None
    numbers: Sequence[int]
    pairs: Sequence[Paired]
    changes: Sequence[ClassChange]
    lost: Sequence[str]
    gained: Sequence[str]
    unmeasured: Sequence[tuple[int, Sequence[str]]]
    known: frozenset[int]
    sides: Sequence[Side] = ()


def compare_view(session: Session, version: VersionRef, other_number: int | None) -> CompareView:
    """Two versions on the benchmark sets; without a number: against production or the parent. Raises NotFound."""
    project_id = version.project_id
    if other_number is None:
        other_number = queries.other_to_compare(session, version, production(session, project_id))
    numbers = [each.number for each in newest_versions(session, project_id) if each.id != version.id]
    known = {each.class_id: each.name for each in version_classes(session, version.id)}
    if other_number is None:
        return CompareView(None, numbers, (), (), (), (), (), frozenset(known))
    other = version_by_number(session, project_id, other_number)
    theirs = {each.class_id: each.name for each in version_classes(session, other.id)}
    gaps = [(each.number, comparison.unmeasured_sets(session, project_id, each.id)) for each in (version, other)]
    return CompareView(
        other=other,
        numbers=numbers,
        pairs=comparison.paired_sets(session, project_id, version.id, other.id),
        changes=comparison.class_changes(session, project_id, version.id, other.id),
        lost=sorted(name for class_id, name in theirs.items() if class_id not in known),
        gained=sorted(name for class_id, name in known.items() if class_id not in theirs),
        unmeasured=[(number, names) for number, names in gaps if names],
        known=frozenset(known),
        sides=[_side(session, each) for each in (version, other)],
    )


def _side(session: Session, version: VersionRef) -> Side:
    card = session.scalars(select(ModelVersion.card).where(ModelVersion.id == version.id)).one()
    trunk = version.trunk
    rate = card.get("served_images_per_second")
    return Side(version.number, queries.made_by(version), trunk.precision, trunk.byte_count, rate)
