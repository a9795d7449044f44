"""The steps of a training run: images or embeddings → fit → export → parity → files → one transaction."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.database import read, write
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.datasets.schemas import TEST, Manifest
from app.embeddings.store import read_embeddings
from app.embeddings.work import embed_missing
from app.imaging.model_input import PREPROCESSING_VERSION
from app.inference.head import load_head
from app.inference.trials import LEAST_IMAGES
from app.registry.artifacts import checked_path, load_trunk
from app.registry.engines import is_pinned_here
from app.registry.schemas import TrunkRef
from app.training.pixels import SnapshotPixels
from app.training.recording import load_job, record_environment, register
from app.training.schemas import MadeArtifacts, TrainingJob
from app.training.tensorboards import log_folder
from worker.execution import RunContext
from worker.learning.backend import tf
from worker.learning.config import FitConfig
from worker.learning.data import ManifestRow, Samples, Split, embedding_samples, pack_manifest
from worker.learning.distill import UNLABELLED
from worker.learning.errors import FitCancelled
from worker.learning.fit import FitResult, fit, fit_head
from worker.learning.parity import check_exported, served_rate
from worker.learning.warm_start import ParentHead
from worker.tasks.engine_steps import ENGINE_IMAGES, choose_engine, images_of
from worker.tasks.training_faults import full_disk_said, parent_file, refuse_empty_classes
from worker.tasks.training_teacher import lesson
from worker.tasks.training_teller import Teller, figures
from worker.tasks.training_views import views_to_train_on
from worker.tasks.trunk_files import publish, registered_trunk, starting_trunk

PARITY_IMAGES: Final = 64
_SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")


@dataclass(frozen=True)
class _Fitted:
    trunk: TrunkRef
    result: FitResult
    missing: int = 0
    """Images of the snapshot that a head-only run found no embedding for; other runs note theirs themselves."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the run should know."""
        if not self.missing:
            return self.result.notes
        gone = f"{self.missing} images are no longer at hand; the run went on without them."
        return (*self.result.notes, gone)


def train_version(context: RunContext) -> None:
    """The work of a training run. A run that was killed goes on from its last finished epoch."""
    with read() as session:
        job = load_job(session, context.run_id)
    record_environment(job.run_id, {"device": _device(), "cores": os.cpu_count()})
    folder = get_storage().work_dir("training", job.run_id)
    with full_disk_said():
        made, stopped_early = _made(context, job, folder)
    with write() as session:
        was_stopped = stopped_early and context.wants() == "stop"
        context.complete(session, register(session, job, made), stopped_early=was_stopped)
    shutil.rmtree(folder, ignore_errors=True)


def _made(context: RunContext, job: TrainingJob, folder: Path) -> tuple[MadeArtifacts, bool]:
    """What the run leaves in storage, and whether it ended before all epochs allowed."""
    try:
        fitted = _fit_head_only(context, job, folder) if job.start == "head_only" else _fit_all(context, job, folder)
    except FitCancelled:
        context.raise_if_cancelled()
        raise
    context.progress(0, 0, "Checking what was exported")
    seen = images_of(job.manifest, fitted.trunk.input_size, most=ENGINE_IMAGES)
    images = seen[np.linspace(0, len(seen) - 1, min(PARITY_IMAGES, len(seen))).astype(np.int64)]
    parity = _parity(fitted, images)
    result = fitted.result
    _choose_engine(context, fitted, seen)
    publish(result.head_path, f"{result.head_digest}.head.safetensors")
    made = MadeArtifacts(
        trunk_id=fitted.trunk.id,
        head_file=f"{result.head_digest}.head.safetensors",
        head_digest=result.head_digest,
        step0_trunk_digest=result.step0_trunk_digest,
        trunk_digest=result.trunk_digest,
        history=tuple(figures(epoch) for epoch in result.history),
        best_epoch=result.best_epoch,
        seconds=result.seconds,
        images_per_second=result.images_per_second,
        monitored=result.monitored,
        parity=parity,
        served_images_per_second=served_rate(images, load_trunk(fitted.trunk.id).engine),
        notes=fitted.notes,
    )
    return made, result.stopped_early


def _fit_config(job: TrainingJob) -> FitConfig:
    """The run's settings, classes that are not flipped by their positions."""
    config = FitConfig.from_json(job.fit)
    position = {each.class_id: place for place, each in enumerate(job.manifest.classes)}
    unflipped = tuple(position[each] for each in config.augmentation.no_flip if each in position)
    return config.changed(augmentation=config.augmentation.model_copy(update={"no_flip": unflipped}))


def _fit_head_only(context: RunContext, job: TrainingJob, folder: Path) -> _Fitted:
    """The trunk stays as it is: embeddings come from the store, computed by the engine that will serve."""
    if job.parent:
        trunk = job.parent.trunk
    else:
        context.progress(0, 0, "Loading the pretrained trunk")
        trunk = starting_trunk(job.trunk, job.input_size, folder)
    weights = (
        parent_file(job.parent, trunk.weights_file, trunk.digest)
        if job.parent
        else checked_path(trunk.weights_file, trunk.digest)
    )
    wanted = job.manifest.splits != TEST
    ids = job.manifest.image_ids[wanted].tolist()
    loaded = load_trunk(trunk.id)
    embed_missing(
        loaded,
        ids,
        on_progress=lambda settled: context.progress(settled, len(ids), "Embedding images"),
    )
    with read() as session:
        found, embeddings = read_embeddings(session, trunk.id, ids)
    rows = np.searchsorted(job.manifest.image_ids, np.array(found, dtype=np.int64))
    config = _fit_config(job)
    samples = embedding_samples(
        embeddings,
        job.manifest.positions[rows],
        [_SPLITS[split] for split in job.manifest.splits[rows].tolist()],
        views_to_train_on(context, job, config, loaded, rows, embeddings, folder),
    )
    refuse_empty_classes(job, samples.class_indices[samples.train_rows])
    teller = Teller(context, job, found)
    teller.note(_beginning(job, samples))
    result = fit_head(
        config,
        samples,
        trunk_path=weights,
        class_count=len(job.manifest.classes),
        work_dir=folder,
        on_event=teller.tell,
        should_stop=context.wants,
        scalars_dir=log_folder(job.project_id) / str(job.run_id),
    )
    teller.note(_ending(result))
    teller.flush()
    return _Fitted(trunk, result, missing=len(ids) - len(found))


def _fit_all(context: RunContext, job: TrainingJob, folder: Path) -> _Fitted:
    """Every weight updates: images come from shards, packed once per snapshot and input size."""
    config = _fit_config(job)
    taught = lesson(context, job, config)
    images = taught.manifest if taught else job.manifest
    pixels = SnapshotPixels(images, job.input_size)
    samples = pack_manifest(
        _manifest_rows(images),
        pixels.read,
        folder=get_storage().root / "shards",
        input_size=job.input_size,
        pixels_key=f"{PREPROCESSING_VERSION}|{job.manifest.fingerprint}",
        on_progress=lambda done, total: context.progress(done, total, "Preparing images"),
    )
    if taught:
        samples = samples.taught_by(taught.answers(samples.shards.image_ids))
    trained_on = samples.class_indices[samples.train_rows]
    refuse_empty_classes(job, trained_on[trained_on != UNLABELLED])
    parent = job.parent
    teller = Teller(context, job, samples.shards.image_ids)
    teller.note(_beginning(job, samples))
    if taught:
        teller.note(taught.says)
    result = fit(
        config,
        samples,
        class_count=len(job.manifest.classes),
        work_dir=folder,
        on_event=teller.tell,
        should_stop=context.wants,
        parent_trunk=parent_file(parent, parent.trunk.weights_file, parent.trunk.digest) if parent else None,
        parent_head=_parent_head(job),
        weights_folder=get_settings().trunk_weights_dir,
        scalars_dir=log_folder(job.project_id) / str(job.run_id),
    )
    teller.note(_ending(result))
    teller.flush()
    context.progress(0, 0, "Exporting the trunk")
    return _Fitted(registered_trunk(result.trunk_path, folder), result)


def _parent_head(job: TrainingJob) -> ParentHead | None:
    """The parent's output layer, with the columns of classes that both know."""
    if job.parent is None:
        return None
    before = {class_id: place for place, class_id in enumerate(job.parent_classes)}
    columns = {
        place: before[each.class_id] for place, each in enumerate(job.manifest.classes) if each.class_id in before
    }
    return ParentHead(parent_file(job.parent, job.parent.head_file, job.parent.head_digest), columns)


def _beginning(job: TrainingJob, samples: Samples) -> str:
    trained, validated = len(samples.train_rows), len(samples.validation_rows)
    return f"{trained:,} images of {len(job.manifest.classes):,} classes train, {validated:,} validate."


def _ending(result: FitResult) -> str:
    how = "ended early" if result.stopped_early else "ran all its epochs"
    return f"Training {how}, after epoch {result.epochs_run}; the weights of epoch {result.best_epoch} are kept."


def _parity(fitted: _Fitted, images: NDArray[np.uint8]) -> dict[str, object]:
    """Does the exported network answer as the trained one? Raises ParityBroken, which fails the run."""
    report = check_exported(
        images,
        trunk_path=fitted.result.trunk_path,
        head_path=fitted.result.head_path,
        onnx_path=checked_path(fitted.trunk.exported_file, fitted.trunk.exported_digest),
        threads=get_settings().inference_threads or None,
    )
    return asdict(report)


def _choose_engine(context: RunContext, fitted: _Fitted, images: NDArray[np.uint8]) -> None:
    """Pin an engine for a trunk that has none here; on too few images the plain one stays, in float32."""
    with read() as session:
        has_one = is_pinned_here(session, fitted.trunk.id)
    if not has_one and len(images) >= LEAST_IMAGES:
        context.progress(0, 0, "Choosing the engine that will serve")
        choose_engine(fitted.trunk, load_head(fitted.result.head_path), images)


def _manifest_rows(manifest: Manifest) -> Sequence[ManifestRow]:
    return [
        ManifestRow(image_id, position, _SPLITS[split])
        for image_id, position, split in zip(
            manifest.image_ids.tolist(), manifest.positions.tolist(), manifest.splits.tolist(), strict=True
        )
    ]


def _device() -> str:
    """What TensorFlow computes on here."""
    names = [device.name.rpartition("physical_device:")[2] for device in tf.config.list_physical_devices()]
    return ", ".join(names)
