"""Which version came from which: the tree of versions, laid out row by row, with what each step changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.core.database import Json
from app.registry.models import ModelVersion, VersionClass
from app.registry.queries import production
from app.runs.models import Run

MOST: Final = 400


@dataclass(frozen=True, slots=True)
class Descent:
    """A version and what it made of its parent."""

    number: int
    run_id: int
    state: str
    start: str
    throwaway: bool
    parent_number: int | None
    created_at: datetime
    classes: int
    lineage: Json
    result: Json
    is_production: bool

    @property
    def changes(self) -> list[tuple[str, list[str]]]:
        """Classes added, removed and merged since the parent, by name; empty where nothing changed."""
        told = (("added", "classes_added"), ("removed", "classes_removed"), ("merged", "classes_merged"))
        return [(word, list(names)) for word, key in told if (names := self.lineage.get(key))]

    @property
    def gain(self) -> Json:
        """Epochs to the plateau against the parent's; empty where the run did not report it."""
        return self.result.get("gain") or {}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the drawn tree: the version's own lane, lanes that pass by, the lane it bends into below."""

    version: Descent
    lane: int
    through: tuple[int, ...]
    has_child_above: bool
    has_parent_below: bool
    bends_into: int | None


def lineage_of(session: Session, project_id: int) -> list[Descent]:
    """The newest versions of the project with their descent, the newest first; at most MOST."""
    parent = aliased(ModelVersion)
    classes = (
        select(func.count()).where(VersionClass.version_id == ModelVersion.id).correlate(ModelVersion).scalar_subquery()
    )
    rows = session.execute(
        select(ModelVersion, parent.number, classes, Run.result)
        .join(Run, Run.id == ModelVersion.run_id)
        .outerjoin(parent, parent.id == ModelVersion.parent_id)
        .where(ModelVersion.project_id == project_id)
        .order_by(ModelVersion.number.desc())
        .limit(MOST)
    )
    serving = production(session, project_id)
    return [
        Descent(
            number=version.number,
            run_id=version.run_id,
            state=version.state,
            start=version.start,
            throwaway=version.throwaway,
            parent_number=parent_number,
            created_at=version.created_at,
            classes=count,
            lineage=version.lineage,
            result=result or {},
            is_production=serving is not None and serving.version_id == version.id,
        )
        for version, parent_number, count, result in rows
    ]


def drawn(versions: Sequence[Descent]) -> list[Row]:
    """The tree as rows from top to bottom, children above their parent, the newest line of descent outermost.

    The child with the most descendants goes on in its parent's lane; the others branch off beneath it, one after
    another in the lane beside. So lanes grow with the logarithm of the versions: a chain of any length takes one, a
    hundred children of one version take two.
    """
    known = {each.number: each for each in versions}
    children: dict[int, list[int]] = {number: [] for number in known}
    roots = []
    for number, each in known.items():
        if each.parent_number in known:
            children[each.parent_number].append(number)
        else:
            roots.append(number)
    weight = _weights(known, children)
    rows: list[Row] = []
    for root in sorted(roots, key=lambda number: _newest(number, children), reverse=True):
        _lay(root, known, children, weight, rows)
    return rows


def _weights(known: Iterable[int], children: dict[int, list[int]]) -> dict[int, int]:
    """Each version with how many descend from it, itself included. A child has a higher number than its parent."""
    weight: dict[int, int] = {}
    for number in sorted(known, reverse=True):
        weight[number] = 1 + sum(weight[child] for child in children[number])
    return weight


def _newest(number: int, children: dict[int, list[int]]) -> int:
    """The highest number among a version and its descendants."""
    best, waiting = number, [number]
    while waiting:
        each = waiting.pop()
        best = max(best, each)
        waiting += children[each]
    return best


def _lay(
    root: int, known: dict[int, Descent], children: dict[int, list[int]], weight: dict[int, int], rows: list[Row]
) -> None:
    """Rows of one tree, without recursion: a chain of warm starts may be hundreds long."""
    found: list[Row] = []
    waiting: list[tuple[int, int, tuple[int, ...], int | None]] = [(root, 0, (), None)]
    while waiting:  # from the root upwards; turned round at the end
        number, lane, through, bends_into = waiting.pop()
        below = sorted(children[number], key=lambda child: (weight[child], child))
        found.append(
            Row(
                version=known[number],
                lane=lane,
                through=through,
                has_child_above=bool(below),
                has_parent_below=number != root and bends_into is None,
                bends_into=bends_into,
            )
        )
        if below:
            *light, heavy = below
            waiting.append((heavy, lane, through, None))
            waiting += [(child, lane + 1, (*through, lane), lane) for child in reversed(light)]
    rows += reversed(found)
