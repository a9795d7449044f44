"""Which images a version is measured on: its snapshot's splits, and benchmark sets without what it learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.datasets.models import BenchmarkImage, BenchmarkSet
from app.datasets.queries import exposed, lineage_snapshots, manifest, trained_as_then
from app.datasets.schemas import SPLITS
from app.evaluation.figures import Ints
from app.labelling.models import LabelClass
from app.library.models import Image, ImageState
from app.registry.queries import version_classes

_NOT_MEASURED = (ImageState.REMOVED, ImageState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class SetRef:
    """A benchmark set in its newest version. One marked tuning serves to choose thresholds, never the gate."""

    id: int
    name: str
    version: int
    is_tuning: bool


@dataclass(frozen=True, slots=True)
class Subset:
    """Images (ids ascending) with their true class as this version sees it (0: none that it knows).

    `exposed` counts benchmark images left out because this version or an ancestor learnt from them.
    """

    name: str
    benchmark_set_id: int | None
    image_ids: Ints
    truth: Ints
    exposed: int
    is_tuning: bool = False


def newest_sets(session: Session, project_id: int) -> list[SetRef]:
    """The newest version of each benchmark set of the project, by name."""
    newest = select(func.max(BenchmarkSet.id)).where(BenchmarkSet.project_id == project_id).group_by(BenchmarkSet.name)
    rows = session.execute(
        select(BenchmarkSet.id, BenchmarkSet.name, BenchmarkSet.version, BenchmarkSet.is_tuning)
        .where(BenchmarkSet.id.in_(newest))
        .order_by(BenchmarkSet.name)
    )
    return [SetRef(*row) for row in rows]


def subsets_of(session: Session, *, project_id: int, version_id: int, snapshot_id: int) -> list[Subset]:
    """Train, validation and test of the version's snapshot, then every benchmark set of the project.

    Images that proved to leak between splits are left out of validation and test.
    """
    frozen = manifest(session, snapshot_id)
    leaked = session.scalars(select(Image.id).where(Image.project_id == project_id, Image.leaked))
    kept = ~np.isin(frozen.image_ids, np.fromiter(leaked, dtype=np.int64))
    found = []
    for place, name in enumerate(SPLITS):
        chosen = frozen.splits == place
        if name != "train":
            chosen &= kept
        found.append(Subset(name, None, frozen.image_ids[chosen], frozen.class_ids[chosen], 0))
    known = {entry.class_id for entry in version_classes(session, version_id)}
    line = lineage_snapshots(session, version_id)
    merged = {**_merged(session, project_id), **trained_as_then(session, snapshot_id)}
    found += [_benchmark(session, each, known, merged, line) for each in newest_sets(session, project_id)]
    return found


def _merged(session: Session, project_id: int) -> dict[int, int]:
    """Where the labels of merged classes went: a truth settled before a merge still finds its class.

    What was merged for a while is asked of the version's snapshot: it stays merged for the versions made meanwhile.
    """
    rows = session.execute(
        select(LabelClass.id, LabelClass.merged_into_id).where(
            LabelClass.project_id == project_id, LabelClass.merged_into_id.is_not(None)
        )
    )
    return {row.id: row.merged_into_id for row in rows if row.merged_into_id is not None}


def _as_known(class_id: int | None, known: set[int], merged: dict[int, int]) -> int:
    """The class the version knows this truth under, 0 where it knows none."""
    seen: set[int] = set()
    while class_id is not None and class_id not in seen:
        if class_id in known:
            return class_id
        seen.add(class_id)
        class_id = merged.get(class_id)
    return 0


def _benchmark(session: Session, wanted: SetRef, known: set[int], merged: dict[int, int], line: list[int]) -> Subset:
    rows = session.execute(
        select(BenchmarkImage.image_id, BenchmarkImage.class_id)
        .join(Image, Image.id == BenchmarkImage.image_id)
        .where(BenchmarkImage.set_id == wanted.id, Image.state.not_in(_NOT_MEASURED))
        .order_by(BenchmarkImage.image_id)
    ).all()
    seen = exposed(session, line, [row.image_id for row in rows])
    clean = [(row.image_id, _as_known(row.class_id, known, merged)) for row in rows if row.image_id not in seen]
    ids = np.array([image_id for image_id, _ in clean], dtype=np.int64)
    truth = np.array([class_id for _, class_id in clean], dtype=np.int64)
    name = f"benchmark:{wanted.id}"
    return Subset(name, wanted.id, ids, truth, len(rows) - len(clean), wanted.is_tuning)
