"""Training runs beside one another: their curves, what differs in settings and images, how each came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from app.core.database import Json
from app.core.errors import InvalidInput, NotFound
from app.datasets.models import Snapshot, SnapshotClass, SnapshotImage
from app.labelling.models import LabelClass
from app.registry.models import ModelVersion
from app.runs.models import Run
from app.runs.queries import RunView, runs_by_id
from app.training import queries
from app.training.curves import plateau_epoch, seconds_so_far, thinned
from app.training.models import Epoch, TrainingRun
from app.training.schemas import START_TITLES
from app.training.setting_fields import title_of

FEWEST: Final = 2
MOST: Final = 6
_POINTS: Final = 120
Axis = Literal["epoch", "seconds"]
CHARTS: Final = (
    ("validation_loss", "Validation loss", None),
    ("validation_accuracy", "Validation accuracy", 1),
    ("loss", "Training loss", None),
    ("accuracy", "Training accuracy", 1),
)


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """How a run's snapshot differs from the first run's, in images and in classes that train."""

    is_same: bool
    added: int
    removed: int
    relabelled: int
    classes_added: tuple[str, ...]
    classes_removed: tuple[str, ...]


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs beside one another."""

    run: RunView
    snapshot_id: int
    images: int
    classes: int
    settings: Json
    """Everything that was chosen, by its name in words, one level deep."""
    epochs: tuple[Epoch, ...]
    version_number: int | None
    test: Json
    """What the evaluation that followed found on test images: "images" and "accuracy"; empty before it."""
    change: SnapshotChange

    @cached_property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.is_best), None)

    @cached_property
    def plateau(self) -> int | None:
        """The epoch at which it levelled off."""
        return plateau_epoch(self.epochs)

    @cached_property
    def seconds(self) -> float:
        """Seconds its epochs took."""
        return sum(epoch.seconds for epoch in self.epochs)

    @cached_property
    def images_per_second(self) -> float | None:
        """Training images a second over all epochs."""
        speeds = [epoch.images_per_second for epoch in self.epochs]
        return sum(speeds) / len(speeds) if speeds else None

    def points(self, name: str, axis: Axis) -> list[tuple[float, float | None]]:
        """One of its curves over epochs or over seconds of training."""
        places: Sequence[float] = [each.number for each in self.epochs]
        if axis == "seconds":
            places = seconds_so_far(self.epochs)
        values = [getattr(each, name) for each in self.epochs]
        return thinned(list(zip(places, values, strict=True)), _POINTS)


@dataclass(frozen=True)
class Comparison:
    """Runs beside one another, in the order in which they were chosen."""

    runs: tuple[ComparedRun, ...]

    def series(self, name: str, axis: Axis) -> list[Json]:
        """One line for each run that measured this."""
        lines = [{"name": f"run {each.run.id}", "points": each.points(name, axis)} for each in self.runs]
        return [line for line in lines if any(value is not None for _, value in line["points"])]

    @cached_property
    def differing(self) -> list[tuple[str, list[Any]]]:
        """Settings in which the runs differ, with each run's value; None where a run had no such setting."""
        names = dict.fromkeys(name for each in self.runs for name in each.settings)
        rows = [(name, [each.settings.get(name) for each in self.runs]) for name in names]
        return [(name, values) for name, values in rows if any(value != values[0] for value in values)]

    @cached_property
    def alike(self) -> int:
        """How many settings are the same in all of them."""
        return len({name for each in self.runs for name in each.settings}) - len(self.differing)


def compare_runs(session: Session, project_id: int, run_ids: Sequence[int]) -> Comparison:
    """These training runs of the project beside one another.

    Raises InvalidInput for fewer than two or more than six, NotFound for one that is no training run of the project.
    """
    chosen = list(dict.fromkeys(run_ids))
    if not FEWEST <= len(chosen) <= MOST:
        raise InvalidInput(f"Choose {FEWEST} to {MOST} runs to compare; received {len(chosen)}.")
    own = session.scalars(
        select(TrainingRun.run_id)
        .join(Run, Run.id == TrainingRun.run_id)
        .where(Run.id.in_(chosen), Run.project_id == project_id)
    )
    if missing := set(chosen) - set(own):
        raise NotFound(f"no training run {min(missing)} in this project")
    views = {view.id: view for view in runs_by_id(session, chosen)}
    asked = {run_id: session.get_one(TrainingRun, run_id) for run_id in chosen}
    first = asked[chosen[0]].snapshot_id
    return Comparison(tuple(_compared(session, views[run_id], asked[run_id], first) for run_id in chosen))


def _compared(session: Session, run: RunView, asked: TrainingRun, first_snapshot_id: int) -> ComparedRun:
    snapshot = session.get_one(Snapshot, asked.snapshot_id)
    version = queries.version_of_run(session, run.id)
    parent = session.get(ModelVersion, asked.parent_version_id) if asked.parent_version_id else None
    return ComparedRun(
        run=run,
        snapshot_id=snapshot.id,
        images=snapshot.images,
        classes=snapshot.classes,
        settings=_settings(session, asked, f"version {parent.number}" if parent else None),
        epochs=tuple(queries.epochs(session, run.id)),
        version_number=version.number if version else None,
        test=_test_figures(session, run.id),
        change=_snapshot_change(session, first_snapshot_id, snapshot.id),
    )


def _settings(session: Session, asked: TrainingRun, parent: str | None) -> Json:
    """What was chosen, flat and in words; the engine's own versions are left out, the code version is not."""
    config = dict(asked.config)
    fit = dict(config.pop("fit"))
    flat = {"start": START_TITLES.get(fit.pop("start"), asked.start), "parent": parent, **fit.pop("augmentation", {})}
    flat |= fit
    if unflipped := flat.get("no_flip"):
        flat["no_flip"] = session.scalars(select(LabelClass.name).where(LabelClass.id.in_(unflipped))).all()
    flat |= {name: value for name, value in config.items() if name not in {"normal_lower", "then_identify", "view_id"}}
    flat |= {name: asked.environment.get(name) for name in ("code_version", "device")}
    return {
        title_of(name): tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in flat.items()
    }


def _test_figures(session: Session, run_id: int) -> Json:
    """Accuracy on test images, from the newest evaluation that the run's success asked for."""
    results = session.scalars(
        select(Run.result)
        .where(Run.follows_run_id == run_id, Run.kind == "evaluation.evaluate", Run.result.is_not(None))
        .order_by(Run.id.desc())
        .limit(1)
    ).all()
    figures: Json = (results[0] or {}).get("figures", {}).get("test", {}) if results else {}
    return figures


def _snapshot_change(session: Session, before_id: int, after_id: int) -> SnapshotChange:
    if before_id == after_id:
        return SnapshotChange(True, 0, 0, 0, (), ())
    before, after = aliased(SnapshotImage), aliased(SnapshotImage)
    both = and_(after.image_id == before.image_id, after.snapshot_id == after_id)
    kept, relabelled = session.execute(
        select(func.count(), func.count().filter(after.class_id != before.class_id))
        .select_from(before)
        .join(after, both)
        .where(before.snapshot_id == before_id)
    ).one()
    old_names, new_names = _class_names(session, before_id), _class_names(session, after_id)
    return SnapshotChange(
        is_same=False,
        added=_image_count(session, after_id) - kept,
        removed=_image_count(session, before_id) - kept,
        relabelled=relabelled,
        classes_added=tuple(sorted(name for class_id, name in new_names.items() if class_id not in old_names)),
        classes_removed=tuple(sorted(name for class_id, name in old_names.items() if class_id not in new_names)),
    )


def _image_count(session: Session, snapshot_id: int) -> int:
    return session.scalar(select(func.count()).where(SnapshotImage.snapshot_id == snapshot_id)) or 0


def _class_names(session: Session, snapshot_id: int) -> dict[int, str]:
    rows = session.execute(
        select(SnapshotClass.class_id, SnapshotClass.name).where(
            SnapshotClass.snapshot_id == snapshot_id, SnapshotClass.position.is_not(None)
        )
    )
    return dict(rows.all())
