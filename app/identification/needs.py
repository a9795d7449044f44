"""What the classes below the cutoff lack, and what a job found for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.identification.schemas import ResultFilter
from app.identification.scope import JobScope
from app.identification.views import OPEN_STATES
from app.labelling.class_counts import class_rows, trained_together, usable_up_to
from app.library.models import Image
from app.predictions.models import Candidate


@dataclass(frozen=True, slots=True)
class ClassNeed:
    """A class that a version took below the cutoff: usable images by now (counted up to it), and open candidates.

    `candidates` counts the named ones, those that the head or the neighbours put into this class first.
    """

    class_id: int
    name: str
    usable: int
    cutoff: int
    candidates: int

    @property
    def lacks(self) -> int:
        """Images still missing to the cutoff."""
        return max(0, self.cutoff - self.usable)


def candidate_counts(session: Session, job_id: int, class_ids: Sequence[int]) -> dict[int, int]:
    """Named candidates that are still open, for each of the classes that has some."""
    rows = session.execute(
        select(Candidate.class_id, func.count())
        .join(Image, Image.id == Candidate.image_id)
        .where(
            Candidate.job_id == job_id,
            Candidate.class_id.in_(class_ids),
            Candidate.is_named,
            Image.state.in_(OPEN_STATES),
        )
        .group_by(Candidate.class_id)
    )
    return {class_id: count for class_id, count in rows}  # noqa: C416 - rows are no tuples to mypy


def class_needs(session: Session, scope: JobScope) -> list[ClassNeed]:
    """The classes that a job looked for: those that lack least first, those that lack nothing any more last."""
    wanted = {entry.class_id: entry.name for entry in scope.classes if entry.below_cutoff}
    rows = [row for row in class_rows(session, scope.project_id) if row.archived_at is None]
    # Classes that are merged for a while count together, as they train.
    parts = [row.id for row in rows if row.trains_as in wanted]
    usable = trained_together(rows, usable_up_to(session, scope.project_id, parts, cap=scope.lower_cutoff))
    counts = candidate_counts(session, scope.job_id, list(wanted))
    needs = [
        ClassNeed(
            class_id,
            name,
            min(usable.get(class_id, 0), scope.lower_cutoff),
            scope.lower_cutoff,
            counts.get(class_id, 0),
        )
        for class_id, name in wanted.items()
    ]
    return sorted(needs, key=lambda need: (need.lacks == 0, need.candidates == 0, need.lacks, need.name.casefold()))


def of_one_class(session: Session, scope: JobScope, wanted: ResultFilter) -> ResultFilter:
    """The filter as its view means it: candidates are looked through class by class, the most urgent first."""
    if wanted.view != "candidates" or wanted.class_id is not None or not scope.has_candidates:
        return wanted
    return wanted.model_copy(update={"class_id": class_needs(session, scope)[0].class_id})
