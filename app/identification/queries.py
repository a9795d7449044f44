"""Jobs, and the pages of their results: keyset paged by confidence, filtered by a closed list of fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, null, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.database import Json, id_rows
from app.core.errors import InvalidInput
from app.identification.matching import conditions, scored
from app.identification.schemas import MAX_ID, ResultFilter
from app.identification.scope import JobScope
from app.identification.standing import KIND
from app.identification.views import OPEN_STATES
from app.labelling.models import LabelClass
from app.library.models import Image
from app.predictions.models import Candidate, Prediction, ScoringJob
from app.registry.models import ModelVersion
from app.runs.models import Run

PAGE = 60
COUNT_CAP = 10_000


@dataclass(frozen=True, slots=True)
class JobLine:
    """An identification run as the list shows it. `job_id` is where its results are, once they begin to come."""

    job_id: int | None
    run_id: int
    title: str
    run_state: str
    version_number: int | None
    throwaway: bool
    done: int
    total: int
    result: Json | None
    created_at: datetime

    @property
    def results_id(self) -> int | None:
        """The job with its results: its own, or the one that standing runs share."""
        return self.job_id or (self.result or {}).get("job_id")


@dataclass(frozen=True, slots=True)
class Result:
    """One image of a job with what was predicted and what it is now.

    Of a candidate `class_1` and `confidence` are for the class that it is proposed for, and `nearest_id` is the
    labelled image of that class that it is most like, by the cosine `similarity`. Lists are sorted by `place`.
    """

    image_id: int
    file_name: str
    state: str
    label: str | None
    rotation: int
    label_version: int
    origin: str
    class_1: int
    confidence: float
    class_2: int | None
    confidence_2: float | None
    margin: float
    place: float
    similarity: float | None
    nearest_id: int | None

    @property
    def is_settled(self) -> bool:
        """Whether somebody has decided about this image already."""
        return self.state not in OPEN_STATES


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A page of results; `older` and `newer` are the cursors of what comes below and above it, None at the ends."""

    results: list[Result]
    older: str | None
    newer: str | None


def job_lines(session: Session, project_id: int, *, before: int | None = None, limit: int = 50) -> list[JobLine]:
    """Identification runs of a project, newest first; `before` is a run's id, for the next page."""
    query = (
        select(
            ScoringJob.id,
            Run.id,
            Run.title,
            Run.state,
            ModelVersion.number,
            func.coalesce(ModelVersion.throwaway, False),
            Run.progress_done,
            Run.progress_total,
            Run.result,
            Run.created_at,
        )
        .outerjoin(ScoringJob, ScoringJob.run_id == Run.id)
        .outerjoin(ModelVersion, ModelVersion.id == ScoringJob.version_id)
        .where(Run.project_id == project_id, Run.kind == KIND)
    )
    if before is not None:
        query = query.where(Run.id < before)
    lines = [JobLine(*tuple(row)) for row in session.execute(query.order_by(Run.id.desc()).limit(limit))]
    shared = {line.results_id for line in lines if line.version_number is None and line.results_id is not None}
    versions = select(ScoringJob.id, ModelVersion.number, ModelVersion.throwaway).join(ModelVersion)
    by_job = {row[0]: row[1:] for row in session.execute(versions.where(ScoringJob.id.in_(shared)))} if shared else {}
    return [_with_version(line, by_job) for line in lines]


def _with_version(line: JobLine, by_job: Mapping[int, Sequence[Any]]) -> JobLine:
    """A standing run shares the job of an earlier one, and with it the version."""
    found = by_job.get(line.results_id or 0)
    return replace(line, version_number=found[0], throwaway=found[1]) if found else line


@dataclass(frozen=True, slots=True)
class JobRun:
    """The run that fills a job now: its own, or the newest standing run. `was_live`: the page saw it under way."""

    id: int
    title: str
    state: str
    done: int
    total: int
    error: str | None
    was_live: bool = False


def job_run(session: Session, scope: JobScope) -> JobRun:
    """The run whose progress a results page shows."""
    columns = (Run.id, Run.title, Run.state, Run.progress_done, Run.progress_total, Run.error_message)
    own = session.execute(select(*columns, Run.coalesce_key).where(Run.id == scope.run_id)).one()
    if own.coalesce_key is None:
        return JobRun(own.id, own.title, own.state, own.progress_done, own.progress_total, own.error_message)
    newest = session.execute(
        select(*columns)
        .where(Run.project_id == scope.project_id, Run.kind == KIND, Run.coalesce_key == own.coalesce_key)
        .order_by(Run.id.desc())
        .limit(1)
    ).one()
    return JobRun(*newest)


def results_page(
    session: Session,
    scope: JobScope,
    wanted: ResultFilter,
    *,
    before: str | None = None,
    after: str | None = None,
    at: int | None = None,
    limit: int = PAGE,
) -> ResultPage:
    """A page of results, surest or most doubtful first: below cursor `before`, above `after`, or from image `at` on.

    Candidates are of one class, the likeliest first. Raises InvalidInput for a cursor that is none of ours.
    """
    columns = (_sorted_by(wanted), Prediction.image_id)
    place = tuple_(*columns)
    is_upwards = before is None and after is not None
    is_descending = (wanted.sort == "confident") != is_upwards
    query = _rows(wanted).where(*conditions(session, scope, wanted))
    if (cursor := before or after) is not None:
        told = tuple_(*_read_cursor(cursor))
        query = query.where(place < told if is_descending else place > told)
    elif at is not None and (told_at := _place_of(session, scope, wanted, at)) is not None:
        query = query.where(place <= tuple_(*told_at) if is_descending else place >= tuple_(*told_at))
    ordered = [column.desc() if is_descending else column.asc() for column in columns]
    rows = [Result(*row) for row in session.execute(query.order_by(*ordered).limit(limit + 1))]
    goes_on, shown = len(rows) > limit, rows[:limit]
    shown = shown[::-1] if is_upwards else shown
    has_older = bool(shown) and (goes_on or is_upwards)
    has_newer = bool(shown) and (goes_on if is_upwards else bool(before or at))
    return ResultPage(shown, _cursor(shown[-1]) if has_older else None, _cursor(shown[0]) if has_newer else None)


def _cursor(result: Result) -> str:
    return f"{result.place!r}:{result.image_id}"


def _sorted_by(wanted: ResultFilter) -> InstrumentedAttribute[float]:
    return Candidate.score if wanted.view == "candidates" else Prediction.confidence_1


def _place_of(session: Session, scope: JobScope, wanted: ResultFilter, image_id: int) -> tuple[float, int] | None:
    of_image = (Prediction.job_id == scope.job_id, Prediction.image_id == image_id)
    query = scored(select(_sorted_by(wanted)), wanted).where(*of_image)
    if wanted.view == "candidates":
        query = query.where(Candidate.class_id == wanted.class_id)
    place = session.scalar(query)
    return None if place is None else (place, image_id)


def _rows(wanted: ResultFilter) -> Select[*tuple[Any, ...]]:
    is_candidates = wanted.view == "candidates"
    columns = (
        Image.id,
        Image.file_name,
        Image.state,
        LabelClass.name,
        Image.rotation,
        Image.label_version,
        Image.origin,
        Candidate.class_id if is_candidates else Prediction.class_1,
        Candidate.confidence if is_candidates else Prediction.confidence_1,
        Prediction.class_2,
        Prediction.confidence_2,
        Prediction.margin,
        _sorted_by(wanted),
        Candidate.similarity if is_candidates else null(),
        Candidate.nearest_id if is_candidates else null(),
    )
    return scored(select(*columns), wanted).outerjoin(LabelClass, LabelClass.id == Image.class_id)


def _read_cursor(text: str) -> tuple[float, int]:
    confidence, _, image_id = text.partition(":")
    try:
        place = float(confidence), int(image_id)
    except ValueError as error:
        raise InvalidInput("a page's cursor is confidence:image", code="invalid_filter") from error
    if not 0.0 <= place[0] <= 1.0 or not 0 <= place[1] <= MAX_ID:
        raise InvalidInput("a page's cursor is confidence:image", code="invalid_filter")
    return place


def count_results(session: Session, scope: JobScope, wanted: ResultFilter) -> int:
    """How many results match, counted up to one more than COUNT_CAP."""
    found = (
        scored(select(Prediction.image_id), wanted)
        .where(*conditions(session, scope, wanted))
        .limit(COUNT_CAP + 1)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(found)) or 0


def class_counts(session: Session, scope: JobScope, wanted: ResultFilter) -> list[tuple[int, int]]:
    """(class id, images predicted as it) under the filter, whatever class it names; most images first."""
    open_filter = wanted.model_copy(update={"class_id": None})
    rows = session.execute(
        select(Prediction.class_1, func.count())
        .join(Image, Image.id == Prediction.image_id)
        .where(*conditions(session, scope, open_filter))
        .group_by(Prediction.class_1)
        .order_by(func.count().desc(), Prediction.class_1)
    )
    return [(class_id, count) for class_id, count in rows]


def predicted(session: Session, job_id: int, image_ids: Sequence[int]) -> dict[int, tuple[int, float]]:
    """(class id, confidence) of the first place for those of the images that the job scored."""
    rows = session.execute(
        select(Prediction.image_id, Prediction.class_1, Prediction.confidence_1).where(
            Prediction.job_id == job_id, Prediction.image_id.in_(id_rows(session, list(image_ids)))
        )
    )
    return {image_id: (class_id, confidence) for image_id, class_id, confidence in rows}


def proposed(session: Session, job_id: int, class_id: int, image_ids: Sequence[int]) -> dict[int, tuple[int, float]]:
    """(class id, confidence of the head) for those of the images that are the job's candidates for a class."""
    rows = session.execute(
        select(Candidate.image_id, Candidate.confidence).where(
            Candidate.job_id == job_id,
            Candidate.class_id == class_id,
            Candidate.image_id.in_(id_rows(session, list(image_ids))),
        )
    )
    return {image_id: (class_id, confidence) for image_id, confidence in rows}


def merged_classes(session: Session, project_id: int) -> dict[int, int]:
    """For each class that was merged: the class it went into."""
    rows = session.execute(
        select(LabelClass.id, LabelClass.merged_into_id).where(
            LabelClass.project_id == project_id, LabelClass.merged_into_id.is_not(None)
        )
    )
    return {class_id: into for class_id, into in rows if into is not None}
