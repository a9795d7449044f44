"""What an identification found anew for watched classes, told to who watches them and to webhooks.

The end of a run asks for a look (in the transaction that tells of that end); the look counts while no transaction is
open, and is told once. A standing job, which each arrival continues, is looked through at most once an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.core.clock import now
from app.core.database import insert_into, read, write
from app.identification.look_models import JobLook
from app.identification.schemas import ResultFilter
from app.identification.scope import JobScope, job_scope
from app.identification.views import OPEN_STATES
from app.labelling.models import LabelClass
from app.labelling.watching import watchers
from app.library.models import Image
from app.predictions.models import Candidate, Prediction, ScoringJob
from app.projects.notices import tell
from app.projects.webhook_events import announce_event
from app.runs.models import Run

BETWEEN_LOOKS: Final = timedelta(hours=1)
CAP: Final = 10_000
_AT_ONCE: Final = 20
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class _Asked:
    """A look that is due. `up_to` is the highest image id of the look before."""

    job_id: int
    project_id: int
    run_id: int
    up_to: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is new for a class: `images` (CAP + 1: more than CAP), candidates or predicted as it; `path` shows them."""

    class_id: int
    name: str
    images: int
    are_candidates: bool
    path: str

    @property
    def text(self) -> str:
        """In words."""
        count = f"more than {CAP:,}" if self.images > CAP else f"{self.images:,}"
        if self.are_candidates:
            return f"{self.name}: {count} new {'candidate' if self.images == 1 else 'candidates'} found."
        what = "image is" if self.images == 1 else "images are"
        return f"{self.name}: {count} {what} predicted as it that {'was' if self.images == 1 else 'were'} not before."


def ask_look(session: Session, run: Run) -> None:
    """Have the job of an identification that has succeeded looked through. Needs a write session."""
    job_id = (run.result or {}).get("job_id")
    if job_id is None or session.get(ScoringJob, job_id) is None:
        return
    statement = insert_into(session, JobLook)
    asked = statement.on_conflict_do_update(
        index_elements=["job_id"], set_={"asked_run_id": statement.excluded["asked_run_id"]}
    )
    session.connection().execute(asked, [{"job_id": job_id, "asked_run_id": run.id, "up_to_image_id": 0}])


def look_due(*, at: datetime | None = None) -> int:
    """Look through the jobs that ask for it, and tell; returns how many. Safe to run twice at once and at any time."""
    moment = at or now()
    is_due = or_(JobLook.looked_at.is_(None), JobLook.looked_at <= moment - BETWEEN_LOOKS)
    with read() as session:
        rows = session.execute(
            select(JobLook.job_id, ScoringJob.project_id, JobLook.asked_run_id, JobLook.up_to_image_id)
            .join(ScoringJob, ScoringJob.id == JobLook.job_id)
            .where(JobLook.asked_run_id.is_not(None), is_due)
            .order_by(JobLook.job_id)
            .limit(_AT_ONCE)
        )
        due = [_Asked(row[0], row[1], row[2] or 0, row[3]) for row in rows]
    for asked in due:
        with read() as session:
            scope = job_scope(session, asked.job_id, asked.project_id)
            watched = watchers(session, asked.project_id)
            found = news(session, scope, sorted(watched), up_to=asked.up_to)
            reached = session.scalar(select(func.max(Prediction.image_id)).where(Prediction.job_id == asked.job_id))
        with write() as session:
            _tell(session, asked, found, watched, reached=reached or asked.up_to, at=moment)
    return len(due)


def _tell(
    session: Session, asked: _Asked, found: list[Found], watched: dict[int, list[int]], *, reached: int, at: datetime
) -> None:
    is_same = (JobLook.job_id == asked.job_id, JobLook.asked_run_id == asked.run_id)
    looked = update(JobLook).where(*is_same).values(asked_run_id=None, looked_at=at, up_to_image_id=reached)
    if session.connection().execute(looked).rowcount == 0:
        return  # Somebody else looked, or another run has ended meanwhile: the next look counts anew.
    for each in found:
        if each.class_id in watched:
            tell(
                session,
                project_id=asked.project_id,
                user_ids=watched[each.class_id],
                text=each.text,
                path=each.path,
                tone="good",
                key=f"watch:{asked.run_id}:{each.class_id}",
            )
    if found:
        announce_event(
            session,
            project_id=asked.project_id,
            event="candidates.found",
            key=f"watch:{asked.run_id}",
            text=_all_words(found),
            path=f"/identify/{asked.job_id}",
            facts={"job_id": asked.job_id, "run_id": asked.run_id, "classes": [asdict(each) for each in found]},
        )


def _all_words(found: Sequence[Found]) -> str:
    words = [each.text for each in found[:_NAMED]]
    rest = len(found) - len(words)
    return " ".join([*words, f"And {rest:,} more classes."] if rest else words)


def news(session: Session, scope: JobScope, watched: Sequence[int], *, up_to: int = 0) -> list[Found]:
    """What the job found that its version's job before did not, for each watched class and each with candidates.

    Only what nobody has decided about counts, and images with an id above `up_to`. Most images first.
    """
    before = session.scalar(
        select(func.max(ScoringJob.id)).where(
            ScoringJob.version_id == scope.version.id,
            ScoringJob.purpose == "identification",
            ScoringJob.id < scope.job_id,
        )
    )
    names = _names(session, scope.project_id)
    found = _candidates(session, scope, before, names)
    done = {each.class_id for each in found}
    for class_id in watched:
        if class_id not in done and class_id in scope.names:
            images = session.scalar(_capped(_predicted(scope, class_id, before=before, up_to=up_to))) or 0
            shown = ResultFilter(class_id=class_id, low=round(scope.lower_threshold, 4)).to_query()
            path = f"/identify/{scope.job_id}?{shown}"
            found.append(Found(class_id, names.get(class_id, scope.names[class_id]), images, False, path))
    return sorted((each for each in found if each.images), key=lambda each: (-each.images, each.class_id))


def _names(session: Session, project_id: int) -> dict[int, str]:
    rows = session.execute(select(LabelClass.id, LabelClass.name).where(LabelClass.project_id == project_id))
    return {row[0]: row[1] for row in rows}


def _candidates(session: Session, scope: JobScope, before: int | None, names: dict[int, str]) -> list[Found]:
    """Named candidates by class. They are few: at most some hundreds of a class."""
    earlier = aliased(Candidate)
    was_one = exists().where(
        earlier.job_id == before, earlier.class_id == Candidate.class_id, earlier.image_id == Candidate.image_id
    )
    rows = session.execute(
        select(Candidate.class_id, func.count())
        .join(Image, Image.id == Candidate.image_id)
        .where(Candidate.job_id == scope.job_id, Candidate.is_named, Image.state.in_(OPEN_STATES), ~was_one)
        .group_by(Candidate.class_id)
    )
    found = []
    for class_id, images in rows:
        path = f"/identify/{scope.job_id}?{ResultFilter(view='candidates', class_id=class_id).to_query()}"
        found.append(Found(class_id, names.get(class_id, str(class_id)), images, True, path))
    return found


def _predicted(scope: JobScope, class_id: int, *, before: int | None, up_to: int) -> Select[int]:
    """Images predicted as the class above the lower threshold, which the job before did not predict so."""
    earlier = aliased(Prediction)
    was_so = exists().where(
        earlier.job_id == before,
        earlier.image_id == Prediction.image_id,
        earlier.class_1 == class_id,
        earlier.confidence_1 >= scope.lower_threshold,
    )
    query = (
        select(Prediction.image_id)
        .join(Image, Image.id == Prediction.image_id)
        .where(
            Prediction.job_id == scope.job_id,
            Prediction.class_1 == class_id,
            Prediction.confidence_1 >= scope.lower_threshold,
            Prediction.image_id > up_to,
            Image.state.in_(OPEN_STATES),
        )
    )
    return query if before is None else query.where(~was_so)


def _capped(query: Select[int]) -> Select[int]:
    return select(func.count()).select_from(query.limit(CAP + 1).subquery())
