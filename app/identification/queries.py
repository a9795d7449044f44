"""Jobs, and the pages of their results: keyset paged by confidence, filtered by a closed list of fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, null, select
from sqlalchemy.orm import Session

from app.core.database import Json, id_rows
from app.core.errors import InvalidInput
from app.identification.diversity import different_page
from app.identification.matching import scored
from app.identification.schemas import MAX_ID, ResultFilter
from app.identification.scope import JobScope
from app.identification.stack_fields import stack_query
from app.identification.standing import KIND
from app.identification.views import OPEN_STATES
from app.identification.walking import Place, falling, look, place_of
from app.labelling.models import LabelClass
from app.library.models import Image
from app.predictions.models import Candidate, Prediction, ScoringJob
from app.registry.models import ModelVersion
from app.runs.models import Run

PAGE = 60
_LARGEST = 1.001  # A cosine may err above 1.


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
    similarity: float | None
    nearest_id: int | None
    place: float
    behind: int = 0
    """In the order by difference: how many near-duplicates this one stands for; `stack_query` filters by them all."""
    stack_query: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether somebody has decided about this image already."""
        return self.state not in OPEN_STATES


@dataclass(frozen=True, slots=True)
class ResultPage:
    """A page of results; `older` and `newer` are the cursors of what comes below and above it, None at the ends.

    A page may be short, or empty, though there is an older one: so many results were looked at without finding more.
    """

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
    """A page of results in the order asked for: below cursor `before`, above `after`, or from image `at` on.

    Candidates are of one class, the likeliest first. Raises InvalidInput for a cursor that is none of ours.
    """
    if wanted.sort in ("different", "unlike") and not wanted.like:
        return _by_difference(session, scope, wanted, before=before, after=after, at=at, limit=limit)
    if before is None and after is not None:
        walked = look(session, scope, wanted, limit=limit, start=read_cursor(after), upwards=True)
        shown = results_at(session, scope, wanted, walked.places[::-1])
        return ResultPage(shown, cursor(walked.places[0]) if walked.places else after, _cursor(walked.reached))
    start = read_cursor(before) if before is not None else _just_before(session, scope, wanted, at)
    walked = look(session, scope, wanted, limit=limit, start=start)
    newest = cursor(walked.places[0]) if walked.places else before
    has_newer = start is not None
    return ResultPage(
        results_at(session, scope, wanted, walked.places), _cursor(walked.reached), newest if has_newer else None
    )


def _by_difference(
    session: Session,
    scope: JobScope,
    wanted: ResultFilter,
    *,
    before: str | None,
    after: str | None,
    at: int | None,
    limit: int,
) -> ResultPage:
    page = different_page(session, scope, wanted, before=before, after=after, at=at, limit=limit)
    stacks = {each.image_id: each for each in page.shown}
    found = results_at(session, scope, wanted, [(0.0, image_id) for image_id in stacks])
    shown = [
        replace(each, behind=own.behind, stack_query=stack_query(wanted, own.stack) if own.behind else "")
        for each in found
        for own in [stacks[each.image_id]]
    ]
    return ResultPage(shown, page.older, page.newer)


def _just_before(session: Session, scope: JobScope, wanted: ResultFilter, at: int | None) -> Place | None:
    """The place after which an image comes first."""
    found = place_of(session, scope, wanted, at) if at is not None else None
    return None if found is None else (found[0], found[1] + (1 if falling(wanted) else -1))


def cursor(place: Place) -> str:
    """A place as it stands in an address."""
    return f"{place[0]!r}:{place[1]}"


def _cursor(place: Place | None) -> str | None:
    return None if place is None else cursor(place)


def read_cursor(text: str) -> Place:
    """The place of an address. Raises InvalidInput."""
    number, _, image_id = text.partition(":")
    try:
        place = float(number), int(image_id)
    except ValueError as error:
        raise InvalidInput("a page's cursor is place:image", code="invalid_filter") from error
    if not -_LARGEST <= place[0] <= _LARGEST or not 0 <= place[1] <= MAX_ID:
        raise InvalidInput("a page's cursor is place:image", code="invalid_filter")
    return place


def results_at(session: Session, scope: JobScope, wanted: ResultFilter, places: Sequence[Place]) -> list[Result]:
    """The results at these places, in their order."""
    ids = [image_id for _, image_id in places]
    query = _rows(wanted).where(Prediction.job_id == scope.job_id, Prediction.image_id.in_(id_rows(session, ids)))
    if wanted.view == "candidates" and wanted.class_id is not None:
        query = query.where(Candidate.class_id == wanted.class_id)
    found: dict[int, tuple[Any, ...]] = {row[0]: tuple(row) for row in session.execute(query)}
    return [Result(*(*found[image_id], place)) for place, image_id in places if image_id in found]


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
        Candidate.similarity if is_candidates else null(),
        Candidate.nearest_id if is_candidates else null(),
    )
    return scored(select(*columns), wanted).outerjoin(LabelClass, LabelClass.id == Image.class_id)


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
