"""Reading evaluations: figures by subset and by class, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.shares import Share, wilson
from app.datasets.models import BenchmarkSet, SnapshotClass
from app.evaluation.models import ClassFigure, ConfusionCell, Evaluation
from app.evaluation.subsets import newest_sets
from app.registry.queries import version_classes
from app.registry.schemas import VersionRef

SPLIT_ORDER = ("test", "validation", "train")


@dataclass(frozen=True, slots=True)
class SubsetLine:
    """An evaluation in force with the words for its set. `is_newest`: the set has no newer version."""

    evaluation: Evaluation
    name: str
    is_tuning: bool
    is_newest: bool

    @property
    def title(self) -> str:
        """The name as a heading: "Test", or the set's own."""
        return self.name if self.evaluation.benchmark_set_id is not None else self.name.capitalize()


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class of a version on one subset: how many images are of it, were predicted as it, and both.

    `is_measured` is false where there are no images of it, or too few capture groups to tell anything.
    """

    class_id: int
    name: str
    images: int
    predicted: int
    correct: int
    is_measured: bool

    @property
    def recall(self) -> Share:
        """Share of its images that were recognised."""
        return wilson(self.correct, self.images)

    @property
    def precision(self) -> float | None:
        """Share of its predictions that were right; None where it was never predicted."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where neither found any."""
        return 2 * self.correct / (self.images + self.predicted) if self.images + self.predicted else 0.0


def evaluations_by_subset(session: Session, version_id: int) -> dict[str, Evaluation]:
    """A version's evaluations in force, by the name of their set."""
    rows = session.scalars(select(Evaluation).where(Evaluation.version_id == version_id, Evaluation.is_current))
    return {row.subset: row for row in rows}


def get_evaluation(session: Session, version_id: int, subset: str) -> Evaluation:
    """The version's evaluation in force on this subset. Raises NotFound."""
    found = evaluations_by_subset(session, version_id).get(subset)
    if found is None:
        raise NotFound(f"this version was not measured on {subset[:40]!r}")
    return found


def subset_lines(session: Session, version: VersionRef) -> list[SubsetLine]:
    """What a version was measured on: benchmark sets by name, then test, validation and train."""
    found = evaluations_by_subset(session, version.id)
    newest = {each.id for each in newest_sets(session, version.project_id)}
    set_ids = [row.benchmark_set_id for row in found.values() if row.benchmark_set_id is not None]
    sets = session.scalars(
        select(BenchmarkSet).where(BenchmarkSet.id.in_(set_ids)).order_by(BenchmarkSet.name, BenchmarkSet.version)
    )
    lines = [
        SubsetLine(
            found[f"benchmark:{each.id}"],
            each.name if each.version == 1 else f"{each.name} v{each.version}",
            is_tuning=each.is_tuning,
            is_newest=each.id in newest,
        )
        for each in sets
    ]
    splits = [name for name in SPLIT_ORDER if name in found]
    return lines + [SubsetLine(found[name], name, is_tuning=False, is_newest=True) for name in splits]


def class_lines(session: Session, version: VersionRef, evaluation: Evaluation) -> list[ClassLine]:
    """Every class the version knows, with its counts on this subset, in the order of the version's class list."""
    counts = {
        row.class_id: (row.images, row.predicted, row.correct)
        for row in session.scalars(select(ClassFigure).where(ClassFigure.evaluation_id == evaluation.id))
    }
    unmeasured: set[int] = set()
    if evaluation.benchmark_set_id is None:
        unmeasured.update(
            session.scalars(
                select(SnapshotClass.class_id).where(
                    SnapshotClass.snapshot_id == version.snapshot_id, ~SnapshotClass.measured
                )
            )
        )
    lines = []
    for entry in version_classes(session, version.id):
        images, predicted, correct = counts.get(entry.class_id, (0, 0, 0))
        is_measured = images > 0 and entry.class_id not in unmeasured
        lines.append(ClassLine(entry.class_id, entry.name, images, predicted, correct, is_measured))
    return lines


def class_names(session: Session, version_id: int) -> dict[int, str]:
    """Names of the version's classes as it was trained with them; 0 stands for no class that it knows."""
    return {0: "not in the model"} | {entry.class_id: entry.name for entry in version_classes(session, version_id)}


def confusion_cells(session: Session, evaluation_id: int) -> dict[tuple[int, int], int]:
    """Images by (true class id, predicted class id); true class 0: none that the version knows."""
    rows = session.scalars(select(ConfusionCell).where(ConfusionCell.evaluation_id == evaluation_id))
    return {(row.true_class_id, row.predicted_class_id): row.images for row in rows}


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Classes in the order of their names; rows are the truth, columns what was predicted."""

    class_ids: list[int]
    images: list[list[int]]


def confusion_matrix(cells: Mapping[tuple[int, int], int], names: Mapping[int, str]) -> ConfusionMatrix:
    """The matrix over the classes the version knows."""
    ids = sorted((each for each in names if each), key=lambda each: names[each].casefold())
    return ConfusionMatrix(ids, [[cells.get((true_id, predicted_id), 0) for predicted_id in ids] for true_id in ids])


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one class that were taken for another, and their share of the class's images."""

    true_id: int
    predicted_id: int
    true_name: str
    predicted_name: str
    images: int
    of: int


def confused_pairs(
    cells: Mapping[tuple[int, int], int], names: Mapping[int, str], *, text: str = ""
) -> Sequence[ConfusedPair]:
    """What was taken for something else, most images first; with `text`, where either name contains it.

    Images of no known class (true class 0) are among them.
    """
    totals: dict[int, int] = {}
    for (true_id, _), images in cells.items():
        totals[true_id] = totals.get(true_id, 0) + images
    wanted = text.casefold().strip()
    pairs = [
        ConfusedPair(true_id, predicted_id, names[true_id], names[predicted_id], images, totals[true_id])
        for (true_id, predicted_id), images in cells.items()
        if true_id != predicted_id
    ]
    found = [each for each in pairs if wanted in f"{each.true_name}\n{each.predicted_name}".casefold()]
    return sorted(found, key=lambda each: (-each.images, each.true_name, each.predicted_name))
