"""Reading what the gate and the comparison page need: two versions side by side, image by image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, case, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from app.core.database import id_rows
from app.datasets.models import BenchmarkImage
from app.datasets.queries import trained_as_then
from app.evaluation.models import ClassFigure, Evaluation, JudgedImage
from app.evaluation.queries import evaluations_by_subset
from app.evaluation.subsets import SetRef, newest_sets
from app.labelling.models import LabelClass
from app.promotion.rules import Measured, Paired
from app.registry.models import ModelVersion
from app.registry.queries import version_classes


@dataclass(frozen=True, slots=True)
class Proposal:
    """Thresholds proposed by a version's evaluation. `basis` says from what."""

    upper: float
    lower: float
    basis: str


@dataclass(frozen=True, slots=True)
class ClassChange:
    """How many images of a class one version got right that the other got wrong, and the reverse."""

    class_id: int
    name: str
    images: int
    fixed: int
    broken: int


def proposed_thresholds(session: Session, version_id: int) -> Proposal | None:
    """What the version's evaluation proposes; None before it was evaluated."""
    found = evaluations_by_subset(session, version_id).get("validation")
    return None if found is None else Proposal(**found.figures["proposed_thresholds"])


def unmeasured_sets(session: Session, project_id: int, version_id: int) -> list[str]:
    """Names of the project's benchmark sets, in their newest version, that this version was not measured on."""
    measured = {row.benchmark_set_id for row in evaluations_by_subset(session, version_id).values()}
    return [each.name for each in newest_sets(session, project_id) if each.id not in measured]


def gate_sets(session: Session, project_id: int) -> list[SetRef]:
    """The benchmark sets that the gate looks at: the newest version of each, without those marked tuning."""
    return [each for each in newest_sets(session, project_id) if not each.is_tuning]


def measured_sets(session: Session, project_id: int, version_id: int) -> list[Measured]:
    """The version alone on each of the gate's sets that it was measured on."""
    found = evaluations_by_subset(session, version_id)
    known = [(entry.class_id, entry.name) for entry in version_classes(session, version_id)]
    return [
        _measured(session, found[f"benchmark:{each.id}"], each.name, known)
        for each in gate_sets(session, project_id)
        if f"benchmark:{each.id}" in found
    ]


def _measured(session: Session, evaluation: Evaluation, name: str, known: list[tuple[int, str]]) -> Measured:
    counts = {
        row.class_id: (row.correct, row.images)
        for row in session.scalars(select(ClassFigure).where(ClassFigure.evaluation_id == evaluation.id))
    }
    classes = [(class_name, *counts.get(class_id, (0, 0))) for class_id, class_name in known]
    accuracy, strange = (evaluation.figures[each] or {"hits": 0, "total": 0} for each in ("accuracy", "out_of_model"))
    return Measured(
        name,
        accuracy["hits"],
        accuracy["total"],
        evaluation.exposed,
        classes,
        strange["hits"],
        strange["total"],
    )


def paired_sets(session: Session, project_id: int, candidate_id: int, production_id: int) -> list[Paired]:
    """Both versions on the images of each of the gate's sets that neither has learnt from."""
    ours, theirs = (evaluations_by_subset(session, each) for each in (candidate_id, production_id))
    found = []
    for each in gate_sets(session, project_id):
        subset = f"benchmark:{each.id}"
        if subset in ours and subset in theirs:
            found.append(_paired(session, each, ours[subset], theirs[subset]))
    return found


def _outcome(mine: type[JudgedImage], other: type[JudgedImage]) -> Callable[..., ColumnElement[int]]:
    """Counts joined rows by whether each of the two was right."""

    def count(*, mine_right: bool, other_right: bool) -> ColumnElement[int]:
        matches = and_(mine.is_right.is_(mine_right), other.is_right.is_(other_right))
        return func.coalesce(func.sum(case((matches, 1), else_=0)), 0)

    return count


def _paired(session: Session, benchmark_set: SetRef, candidate: Evaluation, serving: Evaluation) -> Paired:
    mine, other = aliased(JudgedImage), aliased(JudgedImage)
    count = _outcome(mine, other)
    images, fixed, broken, still_wrong = session.execute(
        select(
            func.count(),
            count(mine_right=True, other_right=False),
            count(mine_right=False, other_right=True),
            count(mine_right=False, other_right=False),
        )
        .select_from(mine)
        .join(other, other.image_id == mine.image_id)
        .where(mine.evaluation_id == candidate.id, other.evaluation_id == serving.id)
    ).one()
    left_out = max(each.images + each.exposed - images for each in (candidate, serving))
    return Paired(benchmark_set.name, benchmark_set.id, images, int(fixed), int(broken), int(still_wrong), left_out)


def class_changes(session: Session, project_id: int, version_id: int, other_id: int) -> list[ClassChange]:
    """Classes, as their truth was settled, in which the two differ on the gate's sets; what got worse comes first."""
    ours, theirs = (evaluations_by_subset(session, each) for each in (version_id, other_id))
    sets = [f"benchmark:{each.id}" for each in gate_sets(session, project_id)]
    pairs = [(ours[each].id, theirs[each].id) for each in sets if each in ours and each in theirs]
    mine, other = aliased(JudgedImage), aliased(JudgedImage)
    count = _outcome(mine, other)
    truth = func.coalesce(BenchmarkImage.class_id, 0)
    rows = session.execute(
        select(
            truth,
            func.count(),
            count(mine_right=True, other_right=False),
            count(mine_right=False, other_right=True),
        )
        .select_from(mine)
        .join(other, other.image_id == mine.image_id)
        .join(Evaluation, Evaluation.id == mine.evaluation_id)
        .join(
            BenchmarkImage,
            and_(BenchmarkImage.set_id == Evaluation.benchmark_set_id, BenchmarkImage.image_id == mine.image_id),
        )
        .where(tuple_(mine.evaluation_id, other.evaluation_id).in_(pairs))
        .group_by(truth)
    )
    changes = [ClassChange(class_id, "", images, int(fixed), int(broken)) for class_id, images, fixed, broken in rows]
    return _named(session, [each for each in changes if each.fixed or each.broken])


def _named(session: Session, changes: list[ClassChange]) -> list[ClassChange]:
    ids = [each.class_id for each in changes]
    rows = session.execute(select(LabelClass.id, LabelClass.name).where(LabelClass.id.in_(id_rows(session, ids))))
    names = {0: "none of the classes"} | {row.id: row.name for row in rows}
    named = [replace(each, name=names[each.class_id]) for each in changes]
    return sorted(named, key=lambda each: (each.fixed - each.broken, -each.broken, each.name))


def lost_classes(session: Session, candidate_id: int, production_id: int) -> list[str]:
    """Names of classes that production knows, that are still in use, and that the candidate does not know.

    A class that the candidate was trained on as another, merged for a while, is known under that other.
    """
    known = {entry.class_id for entry in version_classes(session, candidate_id)}
    snapshot_id = session.scalars(select(ModelVersion.snapshot_id).where(ModelVersion.id == candidate_id)).one()
    known |= {own for own, other in trained_as_then(session, snapshot_id).items() if other in known}
    missing = [entry.class_id for entry in version_classes(session, production_id) if entry.class_id not in known]
    rows = session.scalars(
        select(LabelClass.name).where(LabelClass.id.in_(id_rows(session, missing)), LabelClass.archived_at.is_(None))
    )
    return sorted(rows)
