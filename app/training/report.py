"""All that a training run's part of its page shows, gathered in one read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import Json
from app.core.errors import NotFound
from app.datasets.models import SnapshotClass
from app.datasets.queries import get_snapshot
from app.datasets.usable import usable_images
from app.registry.models import ModelVersion
from app.runs.models import Run, RunState
from app.runs.queries import RunView, following_runs, run_view
from app.training import queries
from app.training.diagnosis import ClassImages, Finding, RunFacts, diagnose
from app.training.fit_settings import Augmentation
from app.training.models import Epoch, TrainingRun
from app.training.queries import LiftedClass

MOST_POINTS: Final = 300
_WORDS: Final = {
    "loss": "training",
    "validation_loss": "validation",
    "accuracy": "training",
    "validation_accuracy": "validation",
    "learning_rate": "learning rate",
}


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """The snapshot that a run points at."""

    id: int
    classes: int
    images: int
    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """A training run for people."""

    run: RunView
    start: str
    trunk: str
    input_size: int
    config: Json
    environment: Json
    snapshot: SnapshotFacts
    parent_number: int | None
    version_number: int | None
    lineage: Json
    epochs: Sequence[Epoch]
    lifted: tuple[LiftedClass, ...]
    identification: RunView | None
    findings: tuple[Finding, ...]
    """What its curves and sets say."""

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights are kept."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.is_best), None)

    def series(self, *names: str) -> list[Json]:
        """Lines of a chart over epochs, thinned out where there are very many."""
        every = max(1, math.ceil(len(self.epochs) / MOST_POINTS))
        kept = [epoch for place, epoch in enumerate(self.epochs) if place % every == 0 or epoch is self.epochs[-1]]
        return [
            {"name": _WORDS[name], "points": [(epoch.number, getattr(epoch, name)) for epoch in kept]}
            for name in names
            if any(getattr(epoch, name) is not None for epoch in kept)
        ]

    @property
    def candidates(self) -> dict[str, int]:
        """Images found in the pool for each class below the cutoff; empty until the identification is done."""
        found: dict[str, int] = self.identification.result.get("candidates") or {} if self.identification else {}
        return found

    @property
    def is_normal_run_due(self) -> bool:
        """Whether labelling has lifted a class of this throw-away run to the cutoff."""
        return any(each.is_lifted for each in self.lifted)


def training_report(session: Session, run_id: int, project_id: int) -> TrainingReport:
    """The report of a run. Raises NotFound for a run that is no training run of this project."""
    run = run_view(session, run_id, project_id)
    asked = queries.training_run(session, run_id)
    if asked is None:
        raise NotFound(f"run {run_id} is no training run")
    snapshot = get_snapshot(session, asked.snapshot_id, project_id)
    version = queries.version_of_run(session, run_id)
    epochs = _detached(session, queries.epochs(session, run_id))
    return TrainingReport(
        run=run,
        start=asked.start,
        trunk=asked.trunk,
        input_size=asked.input_size,
        config=asked.config,
        environment=asked.environment,
        snapshot=SnapshotFacts(
            snapshot.id, snapshot.classes, snapshot.images, snapshot.lower_cutoff, snapshot.upper_cutoff
        ),
        parent_number=_number(session, asked.parent_version_id),
        version_number=version.number if version else None,
        lineage=version.lineage if version else {},
        epochs=epochs,
        lifted=lifted_classes(session, project_id, asked) if run.throwaway and run.is_ended else (),
        identification=_identification(session, run_id),
        findings=tuple(diagnose(epochs, _facts(session, run, asked))),
    )


def _facts(session: Session, run: RunView, asked: TrainingRun) -> RunFacts:
    """What the run was given, as its diagnosis names it."""
    fit = asked.config["fit"]
    rows = session.scalars(
        select(SnapshotClass)
        .where(SnapshotClass.snapshot_id == asked.snapshot_id, SnapshotClass.position.is_not(None))
        .order_by(SnapshotClass.position)
    )
    return RunFacts(
        classes=[ClassImages(each.name, each.train, each.validation) for each in rows],
        most_epochs=int(fit["epochs"]),
        patience=int(fit["patience"]),
        learning_rate=float(fit["learning_rate"]),
        balance=str(fit.get("balance", "none")),
        has_augmentation=Augmentation.model_validate(fit["augmentation"]).is_active,
        is_running=not run.is_ended,
        was_stopped=run.stopped_early or run.state == RunState.CANCELLED,
        error_code=run.error_code,
    )


def _number(session: Session, version_id: int | None) -> int | None:
    return session.scalar(select(ModelVersion.number).where(ModelVersion.id == version_id)) if version_id else None


def _detached(session: Session, epochs: Sequence[Epoch]) -> Sequence[Epoch]:
    """Kept readable after the session ends."""
    for epoch in epochs:
        session.expunge(epoch)
    return epochs


def lifted_classes(session: Session, project_id: int, asked: TrainingRun) -> tuple[LiftedClass, ...]:
    """Classes that a run took below the cutoff, with what they have by now."""
    config = asked.config
    cutoff = int(config["normal_lower"])
    taken = queries.below_cutoff(session, asked.snapshot_id, cutoff)
    if not taken:
        return ()
    usable = usable_images(
        session, project_id, [each.class_id for each in taken], include_small=bool(config["include_small"])
    )
    return tuple(
        LiftedClass(each.class_id, each.name, each.usable, usable.get(each.class_id, 0), cutoff) for each in taken
    )


def _identification(session: Session, run_id: int) -> RunView | None:
    """The identification of the pool that follows the run's evaluation."""
    after = select(Run.id).where(Run.follows_run_id == run_id)
    for evaluation_id in session.scalars(after).all():
        for following in following_runs(session, evaluation_id):
            if following.kind == "identification.identify":
                return following
    return None
