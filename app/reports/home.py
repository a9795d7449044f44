"""Where a project stands in the loop: a handful of figures, each from kept counts, an index, or capped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.datasets.models import Snapshot
from app.evaluation.queries import evaluations_by_subset
from app.evaluation.subsets import newest_sets
from app.identification.again import LookView, newest_look
from app.identification.needs import candidate_counts
from app.identification.queries import job_lines
from app.labelling.class_counts import class_rows, trained_together, usable_up_to
from app.labelling.models import LabelAction
from app.labelling.queue import waiting
from app.library.models import ImageState, LabelConflict
from app.library.queries import images_by_state
from app.registry.models import ModelVersion
from app.registry.queries import newest_versions, production, version_classes
from app.registry.schemas import Production, VersionRef
from app.runs.models import RunState
from app.runs.queries import open_runs
from app.serving.models import Transaction
from app.serving.queries import waiting_for_grade

CAP: Final = 1_000
NEAR_SHARE: Final = 0.75
SERVED_DAYS: Final = 7
_JOBS_LOOKED_AT: Final = 20
_ACTIONS_LOOKED_AT: Final = 2_000
_LABELLING: Final = ("label", "accept", "import", "settle")


@dataclass(frozen=True, slots=True)
class ClassCount:
    """A class in use with its labelled images, and those of them that cutoffs count."""

    id: int
    name: str
    labelled: int
    usable: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a throw-away version found for classes that still lack images."""

    job_id: int
    by_class: Mapping[str, int]

    @property
    def images(self) -> int:
        """All together."""
        return sum(self.by_class.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """The project's figures. Counts of queues are capped at CAP; `open_runs` is the foremost state by kind of run."""

    lower_cutoff: int
    images: Mapping[str, int]
    classes: Sequence[ClassCount] = ()
    waiting_for_label: int = 0
    conflicts: int = 0
    snapshots: int = 0
    versions: int = 0
    newest: VersionRef | None = None
    newest_knows: frozenset[int] = frozenset()
    newest_is_measured: bool = False
    labelled_since: int = 0
    benchmark_sets: int = 0
    production: Production | None = None
    served: int = 0
    waiting_for_grade: int = 0
    candidates: Candidates | None = None
    unknowns: LookView | None = None
    open_runs: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Every image, whatever its state."""
        return sum(self.images.values())

    @property
    def labelled(self) -> int:
        """Images with a label."""
        return self.images.get(ImageState.LABELLED, 0)

    @property
    def ready(self) -> list[ClassCount]:
        """Classes that reach the lower cutoff."""
        return [each for each in self.classes if each.usable >= self.lower_cutoff]

    @property
    def newly_ready(self) -> list[ClassCount]:
        """Classes that reach the cutoff and that the newest version does not know."""
        return [each for each in self.ready if self.newest is not None and each.id not in self.newest_knows]

    @property
    def nearly_ready(self) -> list[ClassCount]:
        """Classes just below the cutoff, the closest first."""
        near = self.lower_cutoff * NEAR_SHARE
        found = [each for each in self.classes if near <= each.usable < self.lower_cutoff]
        return sorted(found, key=lambda each: (-each.usable, each.name))

    @property
    def lacking(self) -> list[ClassCount]:
        """All classes below the cutoff, the closest first."""
        found = [each for each in self.classes if each.usable < self.lower_cutoff]
        return sorted(found, key=lambda each: (-each.usable, each.name))

    @property
    def newest_serves(self) -> bool:
        """Whether the newest version is the one in production."""
        return self.newest is not None and self.production is not None and self.production.version_id == self.newest.id


def standing(session: Session, project_id: int, *, lower_cutoff: int) -> Standing:
    """Read where the project stands."""
    newest = next(iter(newest_versions(session, project_id, limit=1, throwaway=False)), None)
    classes = _class_counts(session, project_id, lower_cutoff)
    lacking = {each.id: each.name for each in classes if each.usable < lower_cutoff}
    known = version_classes(session, newest.id) if newest else []
    of_project = select(Snapshot.id).where(Snapshot.project_id == project_id)
    return Standing(
        lower_cutoff=lower_cutoff,
        images=images_by_state(session, project_id),
        classes=classes,
        waiting_for_label=waiting(session, project_id),
        conflicts=_capped(session, _open_conflicts(project_id)),
        snapshots=_capped(session, of_project),
        versions=_capped(session, select(ModelVersion.id).where(ModelVersion.project_id == project_id)),
        newest=newest,
        newest_knows=frozenset(entry.class_id for entry in known),
        newest_is_measured=newest is not None and "validation" in evaluations_by_subset(session, newest.id),
        labelled_since=_labelled_since(session, project_id, newest.created_at) if newest else 0,
        benchmark_sets=len(newest_sets(session, project_id)),
        production=production(session, project_id),
        served=_capped(session, _served(project_id)),
        waiting_for_grade=waiting_for_grade(session, project_id, cap=CAP),
        candidates=_candidates(session, project_id, lacking),
        unknowns=newest_look(session, project_id),
        open_runs={run.kind: run.state for run in reversed(open_runs(session, project_id))},
    )


def _capped(session: Session, query: Select[int] | Select[str]) -> int:
    return session.scalar(select(func.count()).select_from(query.limit(CAP).subquery())) or 0


def _open_conflicts(project_id: int) -> Select[int]:
    return select(LabelConflict.id).where(LabelConflict.project_id == project_id, LabelConflict.settled_at.is_(None))


def _served(project_id: int) -> Select[str]:
    since = now() - timedelta(days=SERVED_DAYS)
    return select(Transaction.id).where(Transaction.project_id == project_id, Transaction.at >= since)


def _class_counts(session: Session, project_id: int, lower_cutoff: int) -> list[ClassCount]:
    """Classes as training sees them, usable images up to the cutoff; merged for a while, they count as one."""
    rows = [row for row in class_rows(session, project_id) if row.archived_at is None]
    ids = [row.id for row in rows]
    usable = trained_together(rows, usable_up_to(session, project_id, ids, cap=lower_cutoff))
    labelled = Counter[int]()
    for row in rows:
        labelled[row.trains_as] += row.labelled
    return [ClassCount(row.id, row.name, labelled[row.id], usable[row.id]) for row in rows if row.trains_as == row.id]


def _labelled_since(session: Session, project_id: int, moment: datetime) -> int:
    """Images labelled since a moment, from the newest acts."""
    some = (
        select(LabelAction.images, LabelAction.created_at, LabelAction.kind, LabelAction.undone_by_action_id)
        .where(LabelAction.project_id == project_id)
        .order_by(LabelAction.id.desc())
        .limit(_ACTIONS_LOOKED_AT)
        .subquery()
    )
    counted = select(func.coalesce(func.sum(some.c.images), 0)).where(
        some.c.created_at >= moment, some.c.kind.in_(_LABELLING), some.c.undone_by_action_id.is_(None)
    )
    return int(session.scalar(counted) or 0)


def _candidates(session: Session, project_id: int, lacking: Mapping[int, str]) -> Candidates | None:
    """The newest throw-away identification that still has open images for a class below the cutoff."""
    if not lacking:
        return None
    for line in job_lines(session, project_id, limit=_JOBS_LOOKED_AT):
        if line.throwaway and line.run_state == RunState.SUCCEEDED and line.job_id is not None:
            found = candidate_counts(session, line.job_id, list(lacking))
            return (
                Candidates(line.job_id, {lacking[class_id]: count for class_id, count in found.items()})
                if found
                else None
            )
    return None
