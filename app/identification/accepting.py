"""Accept above: the work of its plan. What would be accepted, what is held back and why, and what may go wrong.

Nothing is labelled here. The plan freezes the images that it would take; `sweeping.py` labels exactly those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from app.core.database import Json, id_rows, read, write
from app.embeddings.work import embed_missing
from app.identification import evidence, plan_files
from app.identification.act_schemas import AcceptAbove
from app.identification.evidence import Comparison, Measured, Rule, share_json
from app.identification.holding import RARE_BELOW, Answers, Flags, Held, Ids, Kinds
from app.identification.matching import matching_ids
from app.identification.queries import merged_classes
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope, job_scope
from app.labelling.class_counts import class_rows, trained_together, usable_up_to
from app.library.models import Image, ImageState
from app.predictions.models import Prediction, ScoringJob
from app.registry.artifacts import LoadedHead, load_head, load_trunk
from app.registry.models import ModelVersion
from app.registry.queries import version_classes
from app.runs.context import RunContext

_PAGE: Final = 4096
_SHOWN_OF_HELD: Final = 12
_CLASSES = (Prediction.class_1, Prediction.class_2, Prediction.class_3, Prediction.class_4, Prediction.class_5)
_CONFIDENCES = (
    *(Prediction.confidence_1, Prediction.confidence_2, Prediction.confidence_3),
    *(Prediction.confidence_4, Prediction.confidence_5),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The project's classes as a plan sees them: usable images by class, which are plentiful or rare.

    `unseen` are rare classes without one usable image: nothing can be compared with them.
    """

    kinds: Kinds
    usable: dict[int, int]
    into: dict[int, int]
    unseen: int


def class_standing(session: Session, scope: JobScope, multiple: float) -> Standing:
    """Plentiful: the version knows it, it stands for one class, and has `multiple` times the lower cutoff usable."""
    rows = [row for row in class_rows(session, scope.project_id) if row.archived_at is None]
    wanted = ceil(multiple * scope.lower_cutoff)
    counted = usable_up_to(session, scope.project_id, [row.id for row in rows], cap=wanted)
    usable = trained_together(rows, counted)
    rare = {row.trains_as for row in rows if usable[row.id] < RARE_BELOW * scope.lower_cutoff}
    twins = Counter(row.trains_as for row in rows)
    into = merged_classes(session, scope.project_id)
    plentiful = {
        entry.class_id
        for entry in scope.classes
        if not entry.below_cutoff
        and usable.get(into.get(entry.class_id, entry.class_id), 0) >= wanted
        and twins[into.get(entry.class_id, entry.class_id)] == 1
    }
    unseen = sum(usable[class_id] == 0 for class_id in rare)
    return Standing(Kinds(frozenset(plentiful), frozenset(rare)), usable, into, unseen)


def plan_acceptance(context: RunContext) -> None:
    """The run kind `identification.plan` for an acceptance: parameters `job_id` and `asked`, an AcceptAbove."""
    asked = AcceptAbove.model_validate(context.parameters["asked"])
    with read() as session:
        scope = job_scope(session, context.parameters["job_id"], context.project_id)
        standing = class_standing(session, scope, asked.multiple)
        labelled = evidence.labelled_images(session, scope.project_id, scope.version.snapshot_id)
        held_out = evidence.held_out_ids(session, scope.version.snapshot_id)
        other = _other_job(session, scope)
    ids = list(_above(context, scope, asked))
    loaded = load_head(scope.version.id)
    rule = Rule(asked.confidence, asked.share, standing.kinds)
    sample = ids[:: max(1, len(ids) // evidence.SAMPLE)]
    compared = evidence.comparison(loaded, rule, labelled, sample)
    measured = evidence.measure(loaded, compared, labelled, held_out)
    found = _weighed(context, scope, compared, ids, other)
    plan_files.freeze(context.run_id, _renamed(found, standing.into))
    result = _told(found, standing, measured) | {"other_version": other.number if other else None}
    with write() as session:
        context.complete(session, result | {"confidence": asked.confidence, "job_id": scope.job_id})


def _above(context: RunContext, scope: JobScope, asked: AcceptAbove) -> Iterator[int]:
    wanted = ResultFilter(low=asked.confidence, state="pool", class_id=asked.class_id)
    last = 0
    while True:
        with read() as session:
            page = matching_ids(session, scope, wanted, after=last, limit=_PAGE)
        context.raise_if_cancelled()
        if not page:
            return
        yield from page
        last = page[-1]


@dataclass(frozen=True, slots=True)
class _Other:
    """Another version's newest finished job, to compare answers with."""

    job_id: int
    number: int
    class_ids: frozenset[int]


def _other_job(session: Session, scope: JobScope) -> _Other | None:
    row = session.execute(
        select(ScoringJob.id, ScoringJob.version_id, ModelVersion.number)
        .join(ModelVersion, ModelVersion.id == ScoringJob.version_id)
        .where(
            ScoringJob.project_id == scope.project_id,
            ScoringJob.purpose == "identification",
            ScoringJob.version_id != scope.version.id,
            ScoringJob.finished_at.is_not(None),
        )
        .order_by(ScoringJob.version_id.desc(), ScoringJob.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    known = frozenset(entry.class_id for entry in version_classes(session, row.version_id))
    return _Other(row.id, row.number, known)


def _weighed(
    context: RunContext, scope: JobScope, compared: Comparison, ids: list[int], other: _Other | None
) -> plan_files.Frozen:
    """Each of the images with its predicted class and why it is held back, part by part."""
    loaded = load_head(scope.version.id)
    embed_missing(load_trunk(loaded.version.trunk.id), ids, should_stop=lambda: context.wants() is not None)
    parts = [np.zeros(0, dtype=plan_files.COLUMNS)]
    for start in range(0, len(ids), _PAGE):
        part = ids[start : start + _PAGE]
        with read() as session:
            rows = session.execute(_rows(session, scope, part, other)).all()
        parts.append(_held(compared, loaded, rows, other))
        context.progress(min(start + _PAGE, len(ids)), len(ids), "Weighing")
    return np.concatenate(parts)


def _rows(session: Session, scope: JobScope, ids: list[int], other: _Other | None) -> Select[*tuple[Any, ...]]:
    twin, theirs = aliased(Image), aliased(Prediction)
    its_twins = (twin.project_id == scope.project_id, twin.duplicate_group_id == Image.duplicate_group_id)
    differs = or_(
        and_(twin.quality.is_not(None), twin.quality != "good"),
        twin.state.in_((ImageState.REMOVED, ImageState.NONE)),
        and_(twin.class_id.is_not(None), twin.class_id != Prediction.class_1),
    )
    is_contradicted = and_(Image.duplicate_group_id.is_not(None), exists().where(*its_twins, differs))
    is_not_good = or_(and_(Image.quality.is_not(None), Image.quality != "good"), Image.in_benchmark)
    query = (
        select(
            *(Image.id, Image.label_version),
            *_CLASSES,
            *_CONFIDENCES,
            _flag(is_not_good),
            _flag(is_contradicted),
            func.coalesce(theirs.class_1, 0) if other else literal(0),
        )
        .select_from(Prediction)
        .join(Image, Image.id == Prediction.image_id)
        .where(Prediction.job_id == scope.job_id, Prediction.image_id.in_(id_rows(session, ids)))
        .order_by(Image.id)
    )
    if other is None:
        return query
    return query.outerjoin(theirs, (theirs.job_id == other.job_id) & (theirs.image_id == Image.id))


def _flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _held(
    compared: Comparison, loaded: LoadedHead, rows: Sequence[Row[Any]], other: _Other | None
) -> plan_files.Frozen:
    table = np.array([[each or 0 for each in row] for row in rows], dtype=np.float64).reshape(len(rows), -1)
    made = np.zeros(len(rows), dtype=plan_files.COLUMNS)
    whole = table.astype(np.int64)
    made["image_id"], made["version"] = whole[:, 0], whole[:, 1]
    made["class_id"], made["score"] = whole[:, 2], table[:, 7]
    found, embedded = evidence.embeddings(loaded, whole[:, 0])
    has_one = np.isin(whole[:, 0], found)
    answers = Answers(whole[has_one, 2:7], table[has_one, 7:12].astype(np.float32))
    held = np.full(len(rows), Held.NOT_GOOD, dtype=np.int8)
    held[has_one] = compared.hold(answers, embedded)
    if other is not None:
        held[(held == Held.TAKEN) & _disagrees(whole[:, 2], whole[:, 14], other)] = Held.DISAGREES
    is_open = held != Held.NOT_PLENTIFUL
    held[is_open & (whole[:, 13] == 1)] = Held.CONTRADICTED
    held[is_open & (whole[:, 12] == 1)] = Held.NOT_GOOD
    made["held"] = held
    return made


def _disagrees(ours: Ids, theirs: Ids, other: _Other) -> Flags:
    """Where another version that knows our class said something else."""
    disagrees: Flags = (theirs != 0) & (theirs != ours) & np.isin(ours, sorted(other.class_ids))
    return disagrees


def _renamed(found: plan_files.Frozen, into: dict[int, int]) -> plan_files.Frozen:
    """A class that was merged since stands for the one it went into."""
    for old, new in into.items():
        found["class_id"][found["class_id"] == old] = new
    return found


def _told(found: plan_files.Frozen, standing: Standing, measured: Measured) -> Json:
    held = Counter(found["held"].tolist())
    shown = {
        reason.name.lower(): found["image_id"][found["held"] == reason][:_SHOWN_OF_HELD].tolist()
        for reason in Held
        if reason is not Held.TAKEN and held[reason]
    }
    return {
        "act": "accept",
        "above": len(found),
        "taken": held[Held.TAKEN],
        "held": {reason.name.lower(): held[reason] for reason in Held if reason is not Held.TAKEN and held[reason]},
        "held_shown": shown,
        "classes": _by_class(found, standing, measured),
        "precision": share_json(measured.precision),
        "rare_images": measured.rare,
        "rare_above": measured.rare_above,
        "rare_taken": measured.rare_taken,
        "bound": measured.bound,
        "rare_classes": len(standing.kinds.rare),
        "unseen_classes": standing.unseen,
    }


def _by_class(found: plan_files.Frozen, standing: Standing, measured: Measured) -> list[Json]:
    """Each predicted class: how many are above, taken and held, and how right it was on what was held out."""
    lines = []
    for class_id in np.unique(found["class_id"]).tolist():
        own = found["held"][found["class_id"] == class_id]
        held = Counter(own.tolist())
        right = measured.right.get(class_id)
        lines.append(
            {
                "class_id": class_id,
                "above": len(own),
                "taken": held.pop(Held.TAKEN, 0),
                "held": {Held(reason).name.lower(): count for reason, count in sorted(held.items())},
                "usable": standing.usable.get(class_id, 0),
                "precision": share_json(right) if right else None,
            }
        )
    return sorted(lines, key=lambda line: (-line["taken"], -line["above"], line["class_id"]))
