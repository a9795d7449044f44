"""Reading classes: their rows, and how many images they have, at a cost that does not grow with the library.

Labelled images come from the kept counts; usable ones are counted along their own index up to a cap; the finer figures
of one class look at its newest images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, case, func, literal_column, not_, or_, select
from sqlalchemy.orm import Session, aliased

from app.core.database import id_rows
from app.labelling.models import ClassAlias, LabelClass, SubClass
from app.library.models import USABLE, Image, ImageCount, ImageState

USABLE_CAP = 1_000
LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class with its other names, its looks, its sub-classes and its labelled images by origin."""

    id: int
    name: str
    note: str
    colour: str | None
    key: str | None
    archived_at: datetime | None
    trained_as_id: int | None
    merged_into: str | None
    trained_as: str | None
    aliases: Sequence[str] = ()
    by_origin: Mapping[str, int] = field(default_factory=dict)
    sub_classes: Sequence[tuple[int, str]] = ()

    @property
    def labelled(self) -> int:
        """All origins together."""
        return sum(self.by_origin.values())

    @property
    def trains_as(self) -> int:
        """The class that data sets count its images as: its own, but for a merge for a while."""
        return self.trained_as_id or self.id

    def share(self, origin: str) -> float:
        """Share of one origin among its labelled images, 0..1."""
        return self.by_origin.get(origin, 0) / self.labelled if self.labelled else 0.0

    def is_called(self, words: str) -> bool:
        """Whether name, alias or sub-class holds these words, whatever their capitals."""
        names = (self.name, *self.aliases, *(name for _, name in self.sub_classes))
        return any(words in name.casefold() for name in names)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The newest images of a class (at most LOOKED_AT of them: `is_whole` where that is all), counted in several ways.

    `left_out` gives why labelled images are not usable, each under the first reason that holds.
    """

    by_split: Mapping[str, int]
    by_sub_class: Mapping[int | None, Mapping[str, int]]
    left_out: Mapping[str, int]
    usable: int
    looked_at: int
    is_whole: bool


def class_rows(session: Session, project_id: int) -> list[ClassRow]:
    """All classes by name, archived ones included."""
    target, twin = aliased(LabelClass), aliased(LabelClass)
    rows = session.execute(
        select(LabelClass, target.name, twin.name)
        .outerjoin(target, target.id == LabelClass.merged_into_id)
        .outerjoin(twin, twin.id == LabelClass.trained_as_id)
        .where(LabelClass.project_id == project_id)
        .order_by(LabelClass.folded_name)
    ).all()
    aliases, sub_classes = _aliases(session, project_id), _sub_classes(session, project_id)
    counts = _labelled(session, project_id)
    return [
        ClassRow(
            *(row.id, row.name, row.note, row.colour, row.key, row.archived_at, row.trained_as_id),
            *(merged_into, trained_as),
            aliases=aliases[row.id],
            by_origin=counts[row.id],
            sub_classes=sub_classes[row.id],
        )
        for row, merged_into, trained_as in rows
    ]


def usable_up_to(session: Session, project_id: int, class_ids: Iterable[int], *, cap: int) -> dict[int, int]:
    """Usable images of some classes, each counted up to `cap`."""
    wanted = id_rows(session, list(class_ids))
    some = (
        select(literal_column("1").label("one"))
        .select_from(Image)
        .where(Image.project_id == project_id, Image.class_id == LabelClass.id, USABLE)
        .limit(cap)
        .correlate(LabelClass)
        .subquery()
    )
    counted = select(func.count()).select_from(some).scalar_subquery()
    rows = session.execute(select(LabelClass.id, counted).where(LabelClass.id.in_(wanted)))
    return dict(rows.all())


def trained_together(rows: Iterable[ClassRow], usable: Mapping[int, int]) -> dict[int, int]:
    """Usable images by class in use as training sees it: classes merged for a while share one figure."""
    together: Counter[int] = Counter()
    for row in rows:
        together[row.trains_as] += usable.get(row.id, 0)
    return {row.id: together[row.trains_as] for row in rows}


def breakdown(session: Session, project_id: int, class_id: int) -> Breakdown:
    """One class's images by split, by sub-class and origin, and what keeps some from being usable."""
    why = case(
        (Image.in_benchmark, "benchmark"),
        (not_(or_(Image.quality.is_(None), Image.quality == "good")), "not_good"),
        (not_(Image.is_representative), "duplicate"),
        (or_(Image.is_retired, Image.leaked), "retired"),
        else_="",
    )
    some = (
        select(Image.sub_class_id, Image.origin, Image.split, why.label("why"))
        .where(Image.project_id == project_id, Image.class_id == class_id)
        .order_by(Image.id.desc())
        .limit(LOOKED_AT + 1)
        .subquery()
    )
    columns = (some.c.sub_class_id, some.c.origin, some.c.split, some.c.why)
    by_split: Counter[str] = Counter()
    by_sub_class: dict[int | None, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    for sub_class_id, origin, split, reason, images in session.execute(
        select(*columns, func.count()).group_by(*columns)
    ):
        reasons[reason] += images
        by_sub_class[sub_class_id][origin] += images
        if not reason:
            by_split[split or "none"] += images
    usable, looked_at = reasons.pop("", 0), sum(sum(each.values()) for each in by_sub_class.values())
    return Breakdown(by_split, by_sub_class, reasons, usable, min(looked_at, LOOKED_AT), looked_at <= LOOKED_AT)


def _aliases(session: Session, project_id: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    query = select(ClassAlias.class_id, ClassAlias.name).where(ClassAlias.project_id == project_id)
    for class_id, name in session.execute(query.order_by(ClassAlias.folded_name)):
        found[class_id].append(name)
    return found


def _sub_classes(session: Session, project_id: int) -> dict[int, list[tuple[int, str]]]:
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    query = select(SubClass.class_id, SubClass.id, SubClass.name).join(LabelClass, LabelClass.id == SubClass.class_id)
    for class_id, sub_id, name in session.execute(
        query.where(LabelClass.project_id == project_id).order_by(SubClass.name)
    ):
        found[class_id].append((sub_id, name))
    return found


def _labelled(session: Session, project_id: int) -> dict[int, dict[str, int]]:
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    kept = select(ImageCount.class_id, ImageCount.origin, ImageCount.images).where(
        and_(ImageCount.project_id == project_id, ImageCount.state == ImageState.LABELLED, ImageCount.images > 0)
    )
    for class_id, origin, images in session.execute(kept):
        counts[class_id][origin] = images
    return counts
