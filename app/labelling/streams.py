"""Where the orders of the queue read from: each a walk along an index, a bounded window at a time.

A window says which images it found, how far it got (`cursors`, kept with the order) and how many rows it looked at.
Rows of settled images are walked past once in the life of an order, not at every request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, select, text, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.database import Json, id_rows
from app.labelling.class_counts import usable_up_to
from app.labelling.models import LabelClass
from app.labelling.policies import Part, Policy
from app.library.models import IN_QUEUE, Image
from app.predictions.models import Prediction, ScoringJob
from app.registry.models import ModelVersion, VersionClass
from app.registry.queries import suggesting

WINDOW: Final = 500
OF_A_CLASS: Final = 60
ENOUGH: Final = 300
_JOBS: Final = 20
_QUERY_COST: Final = 10  # A query costs about as much as walking past so many rows.
_MEASURES: Final[dict[Policy, tuple[InstrumentedAttribute[float], bool]]] = {
    Policy.UNCERTAIN: (Prediction.confidence_1, False),
    Policy.MARGIN: (Prediction.margin, False),
    Policy.ENTROPY: (Prediction.entropy, True),
    Policy.CLASS: (Prediction.confidence_1, True),
    Policy.CLASS_UNSURE: (Prediction.confidence_1, False),
}


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of an order: images that wait, in order; `cursors` for the next stretch; whether this was the last."""

    image_ids: list[int]
    cursors: Json
    looked_at: int
    is_end: bool = False


class Row(NamedTuple):
    """A prediction on the way: its measure, its image, the rotation it holds for, its first class, its job."""

    value: float
    image_id: int
    rotation: int
    class_1: int
    job_id: int


def jobs_of(session: Session, version_id: int) -> list[int]:
    """The newest finished identifications by a version, newest first."""
    finished = select(ScoringJob.id).where(
        ScoringJob.version_id == version_id,
        ScoringJob.purpose == "identification",
        ScoringJob.finished_at.is_not(None),
    )
    return list(session.scalars(finished.order_by(ScoringJob.id.desc()).limit(_JOBS)))


def predicted(session: Session, project_id: int, part: Part, cursors: Json) -> Window:
    """By the suggesting version's confidence, margin or entropy; of one class where the part names one."""
    version_id = suggesting(session, project_id)
    jobs = jobs_of(session, version_id) if version_id else []
    measure, is_falling = _MEASURES[part.policy]
    rows, cursors, is_end = _merged(session, jobs, measure, cursors, is_falling=is_falling, class_id=part.target)
    return Window(_waiting(session, rows), cursors, len(rows), is_end)


def rare(session: Session, project_id: int, cursors: Json) -> Window:
    """What looks like the classes with the fewest usable images, up to OF_A_CLASS of each, the surest first."""
    version_id = suggesting(session, project_id)
    if version_id is None:
        return Window([], cursors, 0, is_end=True)
    jobs = jobs_of(session, version_id)
    classes = cursors.get("classes")
    if classes is None:
        classes = _rarest_first(session, project_id, version_id)
    reached, of_class = cursors.get("reached", {}), cursors.get("found", 0)
    found: list[int] = []
    looked_at = 0
    while classes and looked_at < WINDOW and len(found) < OF_A_CLASS:
        rows, reached, is_end = _merged(
            session, jobs, Prediction.confidence_1, reached, is_falling=True, class_id=classes[0]
        )
        fitting = _waiting(session, rows)[: OF_A_CLASS - of_class]
        found += fitting
        of_class += len(fitting)
        looked_at += len(rows) + _QUERY_COST
        if is_end or of_class >= OF_A_CLASS:
            classes, reached, of_class = classes[1:], {}, 0
    return Window(found, {"classes": classes, "reached": reached, "found": of_class}, looked_at, is_end=not classes)


def disagreement(session: Session, project_id: int, cursors: Json) -> Window:
    """What the two newest versions that identified see as different classes; where the newest is sure comes first."""
    versions = versions_that_identified(session, project_id)
    if len(versions) < 2:  # noqa: PLR2004 - it takes two to disagree
        return Window([], cursors, 0, is_end=True)
    newest, older = (jobs_of(session, version_id) for version_id in versions)
    rows, cursors, is_end = _merged(session, newest, Prediction.confidence_1, cursors, is_falling=True)
    said = select(Prediction.image_id, Prediction.class_1).where(
        Prediction.image_id.in_(id_rows(session, [row.image_id for row in rows])), Prediction.job_id.in_(older)
    )
    otherwise = dict(session.execute(said.order_by(Prediction.job_id)).all())
    differing = [row for row in rows if otherwise.get(row.image_id, row.class_1) != row.class_1]
    return Window(_waiting(session, differing), cursors, len(rows), is_end)


def waiting_where(session: Session, project_id: int, wanted: Iterable[ColumnElement[bool]], cursors: Json) -> Window:
    """The newest of what waits and fits conditions on Image, looked at along the queue's index."""
    walk = select(Image.id).where(Image.project_id == project_id, text(IN_QUEUE)).order_by(Image.id.desc())
    if "below" in cursors:
        walk = walk.where(Image.id < cursors["below"])
    ids = list(session.scalars(walk.limit(WINDOW)))
    fitting = select(Image.id).where(Image.id.in_(id_rows(session, ids)), *wanted).order_by(Image.id.desc())
    last = {"below": ids[-1]} if ids else cursors
    return Window(list(session.scalars(fitting)) if ids else [], last, len(ids), is_end=len(ids) < WINDOW)


def _merged(
    session: Session,
    jobs: Sequence[int],
    measure: InstrumentedAttribute[float],
    cursors: Json,
    *,
    is_falling: bool,
    class_id: int | None = None,
) -> tuple[list[Row], Json, bool]:
    """The next rows of several jobs as one order, how far each is read now, and whether all are at their end."""
    stretches: dict[int, list[Row]] = {}
    size = max(20, WINDOW // max(1, len(jobs)))
    for job_id in jobs:
        if cursors.get(str(job_id)) != "end":
            query = _stretch(job_id, measure, cursors.get(str(job_id)), is_falling=is_falling, class_id=class_id)
            stretches[job_id] = [Row(*row) for row in session.execute(query.limit(size))]
    sign = -1 if is_falling else 1

    def place(row: Row) -> tuple[float, int]:
        return sign * row.value, sign * row.image_id

    # Beyond the last row of a stretch that was cut, that job may have rows that come before those of the others.
    limit = min((place(rows[-1]) for rows in stretches.values() if len(rows) == size), default=None)
    after = dict(cursors)
    merged: list[Row] = []
    for job_id, rows in stretches.items():
        taken = [row for row in rows if limit is None or place(row) <= limit]
        merged += taken
        if len(taken) == len(rows) < size:
            after[str(job_id)] = "end"
        elif taken:
            after[str(job_id)] = [taken[-1].value, taken[-1].image_id]
    return sorted(merged, key=place), after, all(after.get(str(job_id)) == "end" for job_id in jobs)


def _stretch(
    job_id: int,
    measure: InstrumentedAttribute[float],
    cursor: Sequence[Any] | None,
    *,
    is_falling: bool,
    class_id: int | None,
) -> Select[float, int, int, int, int]:
    keys = (measure, Prediction.image_id)
    columns = (*keys, Prediction.rotation, Prediction.class_1, Prediction.job_id)
    query = select(*columns).where(Prediction.job_id == job_id)
    if class_id is not None:
        query = query.where(Prediction.class_1 == class_id)
    if cursor is not None:
        here, there = tuple_(*keys), tuple_(*cursor)
        query = query.where(here < there if is_falling else here > there)
    return query.order_by(*(key.desc() for key in keys) if is_falling else keys)


def _waiting(session: Session, rows: Sequence[Row]) -> list[int]:
    """Of these, the images that wait for a label and were not turned since; each once."""
    ids = list({row.image_id for row in rows})
    found = select(Image.id, Image.rotation).where(Image.id.in_(id_rows(session, ids)), text(IN_QUEUE))
    turned = dict(session.execute(found).all())
    return list(dict.fromkeys(row.image_id for row in rows if turned.get(row.image_id) == row.rotation))


def _rarest_first(session: Session, project_id: int, version_id: int) -> list[int]:
    """The classes that the version knows and that are in use."""
    known = select(VersionClass.class_id).where(VersionClass.version_id == version_id)
    in_use = (LabelClass.project_id == project_id, LabelClass.archived_at.is_(None))
    class_ids = list(session.scalars(select(LabelClass.id).where(*in_use, LabelClass.id.in_(known))))
    usable = usable_up_to(session, project_id, class_ids, cap=ENOUGH)
    return sorted(class_ids, key=lambda class_id: (usable.get(class_id, 0), class_id))


def identified_since(session: Session, project_id: int, moment: datetime) -> bool:
    """Whether an identification of the project finished after a moment."""
    later = exists().where(
        ScoringJob.project_id == project_id, ScoringJob.purpose == "identification", ScoringJob.finished_at > moment
    )
    return session.scalar(select(later)) or False


def versions_that_identified(session: Session, project_id: int) -> list[int]:
    """The two newest versions that have identified images."""
    has_identified = exists().where(
        ScoringJob.version_id == ModelVersion.id,
        ScoringJob.purpose == "identification",
        ScoringJob.finished_at.is_not(None),
    )
    newest = select(ModelVersion.id).where(ModelVersion.project_id == project_id, has_identified)
    return list(session.scalars(newest.order_by(ModelVersion.number.desc()).limit(2)))
