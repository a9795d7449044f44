"""What a training run reads and writes around its work: the job, each epoch as it ends, and what it made."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.core.database import Json, insert_into, write
from app.core.errors import NotFound
from app.datasets.queries import manifest
from app.datasets.schemas import Manifest
from app.datasets.teaching import taught_images
from app.registry.queries import get_version, version_classes
from app.registry.schemas import ClassEntry, VersionRef
from app.registry.service import register_version
from app.runs.models import Run
from app.training.models import Epoch, EpochDetail, RunLogLine, TrainingRun
from app.training.schemas import EpochDetails, EpochFigures, LogLine, MadeArtifacts, TrainingJob

OUTPUT_LAYER = "scores"
MOST_LOG_LINES = 500


def load_job(session: Session, run_id: int) -> TrainingJob:
    """The job of a run. Raises NotFound."""
    found = session.execute(
        select(TrainingRun, Run.project_id, Run.throwaway)
        .join(Run, Run.id == TrainingRun.run_id)
        .where(TrainingRun.run_id == run_id)
    ).one_or_none()
    if found is None:
        raise NotFound(f"run {run_id} is no training run")
    asked, project_id, throwaway = found
    parent = teacher = None
    classes: dict[int, str] = {}
    difference: Json = {}
    images = manifest(session, asked.snapshot_id)
    if asked.parent_version_id is not None:
        parent = get_version(session, asked.parent_version_id, project_id)
        classes = {each.class_id: each.name for each in version_classes(session, parent.id)}
        difference = _snapshot_difference(session, images, parent)
    if (teacher_id := asked.config.get("teacher_version_id")) is not None:
        teacher = get_version(session, teacher_id, project_id)
    return TrainingJob(
        run_id=run_id,
        project_id=project_id,
        throwaway=throwaway,
        snapshot_id=asked.snapshot_id,
        start=asked.start,
        trunk=asked.trunk,
        input_size=asked.input_size,
        fit=asked.config["fit"],
        normal_lower=asked.config["normal_lower"],
        manifest=images,
        teacher=teacher,
        pool_images=asked.config.get("pool_images", 0),
        parent=parent,
        parent_classes=classes,
        snapshot_difference=difference,
    )


def record_environment(run_id: int, environment: Json) -> None:
    """Adds what the worker knows (device, cores) to what was recorded when the run was asked for."""
    with write() as session:
        known = session.scalars(select(TrainingRun.environment).where(TrainingRun.run_id == run_id)).one()
        session.execute(
            update(TrainingRun).where(TrainingRun.run_id == run_id).values(environment={**known, **environment})
        )


def record_epochs(run_id: int, epochs: Sequence[EpochFigures]) -> None:
    """Writes epochs as they end; one that comes again, after a resume, replaces itself."""
    if epochs:
        with write() as session:
            _upsert(session, run_id, epochs)


def record_detail(run_id: int, details: Sequence[EpochDetails]) -> None:
    """Writes what epochs know by class and image, the newest last, and drops what is neither the last nor the best."""
    if not details:
        return
    kept = {details[-1].number, *[each.number for each in details if each.is_best][-1:]}
    rows = [
        {"run_id": run_id, "number": each.number, "per_class": each.per_class, "mistakes": each.mistakes}
        for each in details
        if each.number in kept
    ]
    with write() as session:
        best = session.scalar(select(func.max(Epoch.number)).where(Epoch.run_id == run_id, Epoch.is_best))
        superseded = (EpochDetail.run_id == run_id, EpochDetail.number.not_in({*kept, best or 0} - {0}))
        session.execute(delete(EpochDetail).where(*superseded))
        session.execute(delete(EpochDetail).where(EpochDetail.run_id == run_id, EpochDetail.number.in_(kept)))
        session.execute(insert(EpochDetail), rows)


def write_log(run_id: int, lines: Sequence[LogLine]) -> None:
    """Appends to a run's log and drops its oldest lines beyond MOST_LOG_LINES."""
    if not lines:
        return
    with write() as session:
        session.execute(
            insert(RunLogLine),
            [{"run_id": run_id, "at": line.at, "level": line.level, "text": line.text} for line in lines],
        )
        newest = select(RunLogLine.id).where(RunLogLine.run_id == run_id).order_by(RunLogLine.id.desc())
        oldest_kept = session.scalar(newest.offset(MOST_LOG_LINES - 1).limit(1))
        if oldest_kept is not None:
            session.execute(delete(RunLogLine).where(RunLogLine.run_id == run_id, RunLogLine.id < oldest_kept))


def _upsert(session: Session, run_id: int, epochs: Sequence[EpochFigures]) -> None:
    statement = insert_into(session, Epoch)
    names = [name for name in EpochFigures.__slots__ if name != "number"]
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["run_id", "number"], set_={name: statement.excluded[name] for name in names}
        ),
        [{"run_id": run_id, **epoch.values()} for epoch in epochs],
    )


def register(session: Session, job: TrainingJob, made: MadeArtifacts) -> Json:
    """Registers the version that the run made, completes its epochs, and gives the run's result.

    Call it in the write session that completes the run.
    """
    session.execute(delete(Epoch).where(Epoch.run_id == job.run_id, Epoch.number > len(made.history)))
    _upsert(session, job.run_id, made.history)
    best = made.history[made.best_epoch - 1]
    gain = _gain(session, job.parent, made)
    version_id, number = register_version(
        session,
        project_id=job.project_id,
        run_id=job.run_id,
        throwaway=job.throwaway,
        trunk_id=made.trunk_id,
        parent_id=job.parent.id if job.parent else None,
        snapshot_id=job.snapshot_id,
        start=job.start,
        head_file=made.head_file,
        head_digest=made.head_digest,
        classes=[
            ClassEntry(each.class_id, each.name, each.usable, each.usable < job.normal_lower)
            for each in job.manifest.classes
        ],
        lineage=_lineage(job, made) | _teaching(session, job),
        card={
            "trunk": job.trunk,
            "input_size": job.input_size,
            "images": len(job.manifest.image_ids),
            "settings": job.fit,
            "parity": made.parity,
            "served_images_per_second": made.served_images_per_second,
        },
    )
    return {
        "version_id": version_id,
        "number": number,
        "classes": len(job.manifest.classes),
        "images": len(job.manifest.image_ids),
        "accuracy": best.accuracy,
        "loss": best.loss,
        "validation_accuracy": best.validation_accuracy,
        "validation_loss": best.validation_loss,
        "epochs": len(made.history),
        "plateau_epoch": made.best_epoch,
        "monitored": made.monitored,
        "images_per_second": made.images_per_second,
        "seconds": made.seconds,
        "parity": made.parity,
        "gain": gain,
        "notes": list(made.notes),
    }


def _lineage(job: TrainingJob, made: MadeArtifacts) -> Json:
    """Where the weights come from: at step 0 a warm trunk is the parent's, byte for byte."""
    today = {each.class_id: each.name for each in job.manifest.classes}
    origin: Json = {"step0_trunk_digest": made.step0_trunk_digest, "trunk_digest": made.trunk_digest}
    if job.parent is None:
        return origin
    before = job.parent_classes
    return {
        **origin,
        "parent_number": job.parent.number,
        "parent_trunk_digest": job.parent.trunk.digest,
        "is_parent_trunk": made.step0_trunk_digest == job.parent.trunk.digest,
        "popped_layer": OUTPUT_LAYER,
        "kept_output": sorted(today[each] for each in today if each in before) if job.fit.get("keep_output") else [],
        "popped_classes": len(before),
        "classes_added": sorted(name for class_id, name in today.items() if class_id not in before),
        "classes_removed": sorted(name for class_id, name in before.items() if class_id not in today),
        "snapshot_difference": job.snapshot_difference,
    }


def _teaching(session: Session, job: TrainingJob) -> Json:
    """Which version taught the run, and on how many images of the pool."""
    if job.teacher is None:
        return {}
    return {"teacher_number": job.teacher.number, "taught_images": taught_images(session, job.run_id)}


def _snapshot_difference(session: Session, images: Manifest, parent: VersionRef) -> Json:
    """How many images came and went since the parent's snapshot."""
    today = set(images.image_ids.tolist())
    before = set(manifest(session, parent.snapshot_id).image_ids.tolist())
    return {"added": len(today - before), "removed": len(before - today), "kept": len(today & before)}


def _gain(session: Session, parent: VersionRef | None, made: MadeArtifacts) -> Json | None:
    """Epochs to the plateau against the parent's: reported, not assumed. None without a parent."""
    if parent is None:
        return None
    epochs = session.scalar(select(func.count()).select_from(Epoch).where(Epoch.run_id == parent.run_id)) or 0
    plateau = session.scalar(select(func.max(Epoch.number)).where(Epoch.run_id == parent.run_id, Epoch.is_best))
    return {
        "parent_number": parent.number,
        "parent_start": parent.start,
        "parent_epochs": epochs,
        "parent_plateau_epoch": plateau,
        "epochs": len(made.history),
        "plateau_epoch": made.best_epoch,
    }
