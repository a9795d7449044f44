"""Joining images into groups that never straddle a split: what duplicate groups and capture groups share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, case, delete, exists, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.core.database import id_rows, is_sqlite
from app.library.models import CaptureGroup, DuplicateGroup, Image
from app.projects.models import Project

GroupColumn = InstrumentedAttribute[int | None]
_PLAIN = {"synchronize_session": False}


def components(pairs: Iterable[tuple[int, int]], apart: Iterable[tuple[int, int]] = ()) -> Iterator[list[int]]:
    """The connected sets of numbers that are linked by pairs, each in rising order.

    A pair that would bring two numbers together that are to stay `apart` is passed over, so earlier pairs go first.
    """
    parent: dict[int, int] = {}
    foes: dict[int, set[int]] = defaultdict(set)
    for left, right in apart:
        foes[left].add(right)
        foes[right].add(left)

    def root(node: int) -> int:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        if low == high or any(foe in parent and root(foe) == low for foe in foes.get(high, ())):
            continue
        parent[high] = low
        if high in foes:
            foes[low] |= foes.pop(high)
    members: dict[int, list[int]] = defaultdict(list)
    for node in sorted(parent):
        members[root(node)].append(node)
    yield from members.values()


def lock_grouping(session: Session, project_id: int) -> None:
    """One who takes in or groups images of a project at a time (SQLite: already so)."""
    if not is_sqlite(session):
        session.execute(select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))


def join(
    session: Session,
    *,
    column: GroupColumn,
    table: type[DuplicateGroup | CaptureGroup],
    pairs: Iterable[tuple[int, int]],
    make_groups: Callable[[list[int]], Sequence[int]],
    apart: Iterable[tuple[int, int]] = (),
) -> list[int]:
    """Put each pair of images into one group, merging groups that a pair links; returns the groups touched.

    `make_groups` receives the smallest image id of each set that has no group yet, and returns the new groups' ids in
    that order. `apart` are pairs that must not come into one group: image ids, or negative group ids. Images whose
    splits contradict each other by this are retired from measuring.
    """
    linked = list(pairs)
    nodes = sorted({node for pair in linked for node in pair})
    rows = session.execute(select(Image.id, column).where(Image.id.in_(id_rows(session, nodes)))).all()
    group_of = {image_id: group for image_id, group in rows if group is not None}
    # Images that already share a group are linked through it: negative numbers stand for groups.
    through = [(image_id, -group) for image_id, group in group_of.items()]
    sets = [members for members in components([*through, *linked], apart) if len(members) > 1]
    without = [members[0] for members in sets if members[0] > 0]
    made = dict(zip(without, make_groups(without) if without else [], strict=True))
    touched, newcomers = [], []
    for members in sets:
        groups = sorted(-node for node in members if node < 0)
        kept = groups[0] if groups else made[members[0]]
        newcomers += [{"id": node, column.key: kept} for node in members if node > 0 and node not in group_of]
        absorb(session, column=column, table=table, kept=kept, merged=groups[1:])
        touched.append(kept)
    if newcomers:
        session.execute(update(Image), newcomers)
    retire_leaked(session, column, touched)
    return touched


def absorb(
    session: Session,
    *,
    column: GroupColumn,
    table: type[DuplicateGroup | CaptureGroup],
    kept: int,
    merged: list[int],
) -> None:
    """Let the images of `merged` groups belong to the one that is `kept`; the others are gone."""
    if not merged:
        return
    gone = id_rows(session, merged)
    session.execute(update(Image).where(column.in_(gone)).values({column: kept}), execution_options=_PLAIN)
    session.execute(delete(table).where(table.id.in_(gone)), execution_options=_PLAIN)


def retire_leaked(session: Session, column: GroupColumn, groups: list[int]) -> None:
    """Retire from measuring what these groups hold on two sides.

    Training blinds validation and test images; early stopping on a validation image blinds a test image.
    """
    if not groups:
        return
    other = aliased(Image)
    other_group = getattr(other, column.key)
    session.execute(
        update(Image)
        .where(column.in_(id_rows(session, groups)), Image.split.is_not(None), Image.leaked.is_(False))
        .where(exists().where(other_group == column, _exposure(other.split) < _exposure(Image.split)))
        .values(leaked=True),
        execution_options=_PLAIN,
    )


def _exposure(split: InstrumentedAttribute[str | None]) -> ColumnElement[int]:
    return case({"train": 0, "validation": 1, "test": 2}, value=split, else_=3)
