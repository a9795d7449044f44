"""Two snapshots side by side: what came, what went, what changed its class, name or merge. Counted in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.datasets.models import Snapshot, SnapshotClass, SnapshotImage
from app.datasets.queries import get_snapshot, snapshot_classes
from app.datasets.snapshot_images import FrozenImage, as_frozen, with_pictures

Change = Literal["came", "went", "class", "sub_class", "turned"]
CHANGES: Final[tuple[Change, ...]] = ("came", "went", "class", "sub_class", "turned")

_earlier, _later = aliased(SnapshotImage), aliased(SnapshotImage)


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class in both snapshots. `earlier` and `later` are its images there; None where it was not in the snapshot."""

    class_id: int
    name: str
    earlier: int | None
    later: int | None
    came: int
    went: int
    moved_in: int
    """Images that had another class in the earlier one."""
    moved_out: int
    notes: tuple[str, ...]
    """What else changed: its name, whether it is in, how it is trained."""

    @property
    def size(self) -> int:
        """How many images changed."""
        return self.came + self.went + self.moved_in + self.moved_out


@dataclass(frozen=True, slots=True)
class MovedImages:
    """So many images went from one class to another."""

    from_class_id: int
    from_name: str
    to_class_id: int
    to_name: str
    images: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`counts` has the images of each kind of change; `kept` those that are in both."""

    earlier_id: int
    later_id: int
    counts: dict[str, int]
    kept: int
    classes: tuple[ClassChange, ...]
    """Those that changed, the largest change first."""
    moves: tuple[MovedImages, ...]
    settings: tuple[tuple[str, str, str], ...]
    """What was chosen otherwise: word, earlier, later."""


def compare(session: Session, project_id: int, *, earlier_id: int, later_id: int) -> Comparison:
    """What changed from one snapshot to another. Raises NotFound."""
    earlier, later = (get_snapshot(session, each, project_id) for each in (earlier_id, later_id))
    came = _by_class(session, _only(_later, later_id, earlier_id), _later)
    went = _by_class(session, _only(_earlier, earlier_id, later_id), _earlier)
    pairs = session.execute(
        _both(earlier_id, later_id, _earlier.class_id, _later.class_id, func.count())
        .where(_earlier.class_id != _later.class_id)
        .group_by(_earlier.class_id, _later.class_id)
        .order_by(func.count().desc())
    ).all()
    before = {each.class_id: each for each in snapshot_classes(session, earlier_id)}
    after = {each.class_id: each for each in snapshot_classes(session, later_id)}
    names = {class_id: each.name for class_id, each in (before | after).items()}
    moved_out: Counter[int] = Counter()
    moved_in: Counter[int] = Counter()
    for from_id, to_id, images in pairs:
        moved_out[from_id] += images
        moved_in[to_id] += images
    merged = _merges(earlier), _merges(later)
    changes = [
        ClassChange(
            class_id=class_id,
            name=name,
            earlier=_images(before.get(class_id)),
            later=_images(after.get(class_id)),
            came=came.get(class_id, 0),
            went=went.get(class_id, 0),
            moved_in=moved_in[class_id],
            moved_out=moved_out[class_id],
            notes=_notes(class_id, before.get(class_id), after.get(class_id), merged, names),
        )
        for class_id, name in names.items()
    ]
    changes = [each for each in changes if each.size or each.notes]
    changes.sort(key=lambda each: (-each.size, each.name.casefold()))
    counts = {
        "came": sum(came.values()),
        "went": sum(went.values()),
        "class": sum(moved_in.values()),
        "sub_class": _count(session, _changed("sub_class", earlier_id, later_id)),
        "turned": _count(session, _changed("turned", earlier_id, later_id)),
    }
    return Comparison(
        earlier_id,
        later_id,
        counts,
        kept=later.images - counts["came"],
        classes=tuple(changes),
        moves=tuple(MovedImages(a, names.get(a, "–"), b, names.get(b, "–"), n) for a, b, n in pairs),
        settings=_settings(earlier, later),
    )


def changed_images(
    session: Session,
    *,
    earlier_id: int,
    later_id: int,
    change: Change,
    class_id: int | None = None,
    after: int | None = None,
    limit: int = 60,
) -> list[FrozenImage]:
    """Images of one kind of change by ascending id, as the later snapshot has them (gone ones: as the earlier had).

    `class_id` keeps those that came to, went from or moved to that class; `after` is the id that ended the page before.
    """
    side = _earlier if change == "went" else _later
    if change in {"came", "went"}:
        ids = (later_id, earlier_id) if change == "came" else (earlier_id, later_id)
        found = _only(side, *ids)
    else:
        found = _changed(change, earlier_id, later_id)
    if class_id is not None:
        found = found.where(side.class_id == class_id)
    if after is not None:
        found = found.where(side.image_id > after)
    rows = session.execute(with_pictures(found, side).order_by(side.image_id).limit(limit))
    return [as_frozen(row) for row in rows]


def _only(side: Any, snapshot_id: int, other_id: int) -> Select[Any]:
    """Images of one snapshot that the other has not."""
    other = aliased(SnapshotImage)
    is_there = exists().where(other.snapshot_id == other_id, other.image_id == side.image_id)
    return select(side.image_id).where(side.snapshot_id == snapshot_id, ~is_there)


def _both(earlier_id: int, later_id: int, *columns: Any) -> Select[Any]:
    same = and_(_earlier.image_id == _later.image_id, _earlier.snapshot_id == earlier_id)
    return select(*columns).select_from(_later).join(_earlier, same).where(_later.snapshot_id == later_id)


def _changed(change: Change, earlier_id: int, later_id: int) -> Select[Any]:
    """Images in both that changed so; one that changed its class is not counted among those with another sub-class."""
    both = _both(earlier_id, later_id, _later.image_id)
    if change == "class":
        return both.where(_earlier.class_id != _later.class_id)
    if change == "turned":
        return both.where(_earlier.rotation != _later.rotation)
    other = or_(
        _earlier.sub_class_id != _later.sub_class_id,
        _earlier.sub_class_id.is_(None) != _later.sub_class_id.is_(None),
    )
    return both.where(_earlier.class_id == _later.class_id, other)


def _count(session: Session, found: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def _by_class(session: Session, found: Select[Any], side: Any) -> dict[int, int]:
    grouped = found.with_only_columns(side.class_id, func.count()).group_by(side.class_id)
    return {row[0]: row[1] for row in session.execute(grouped)}


def _images(row: SnapshotClass | None) -> int | None:
    return row.train + row.validation + row.test if row is not None and row.position is not None else None


def _merges(snapshot: Snapshot) -> dict[int, int]:
    return {int(class_id): as_id for class_id, as_id in snapshot.summary.get("trained_as", {}).items()}


def _notes(
    class_id: int,
    before: SnapshotClass | None,
    after: SnapshotClass | None,
    merged: Sequence[dict[int, int]],
    names: dict[int, str],
) -> tuple[str, ...]:
    notes = []
    was_in, is_in = (each is not None and each.position is not None for each in (before, after))
    if was_in != is_in:
        notes.append("came in" if is_in else "went out")
    if before and after and before.name != after.name:
        notes.append(f"was named {before.name}")
    was, now = (each.get(class_id) for each in merged)
    if was != now:
        is_parted = now is None
        other_name = names.get((was if is_parted else now) or 0, "another class")
        notes.append(f"no longer trained as {other_name}" if is_parted else f"trained as {other_name}")
    for other, as_id in merged[1].items():
        if as_id == class_id and merged[0].get(other) != class_id:
            notes.append(f"trained together with {names.get(other, 'another class')}")
    return tuple(notes)


def _settings(earlier: Snapshot, later: Snapshot) -> tuple[tuple[str, str, str], ...]:
    said = [
        ("Lower cutoff", earlier.lower_cutoff, later.lower_cutoff),
        ("Upper cutoff", earlier.upper_cutoff, later.upper_cutoff),
        ("Small subjects", *("included" if each.include_small else "left out" for each in (earlier, later))),
        ("Seed", earlier.seed, later.seed),
        ("View", *((each.summary.get("view") or {}).get("name", "none") for each in (earlier, later))),
    ]
    return tuple((word, str(was), str(now)) for word, was, now in said if was != now)
