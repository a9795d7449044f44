"""The augmented views that a head-only run trains on, from the store or embedded now."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.storage import get_storage
from app.datasets.schemas import TRAIN
from app.registry.artifacts import LoadedTrunk
from app.training.pixels import SnapshotPixels
from app.training.schemas import TrainingJob
from worker.execution import RunContext
from worker.learning.config import FitConfig
from worker.learning.views import ViewSources, embed_views

FOLDER = "views"


def views_to_train_on(
    context: RunContext,
    job: TrainingJob,
    config: FitConfig,
    trunk: LoadedTrunk,
    rows: NDArray[np.int64],
    embeddings: NDArray[np.float32],
    work_dir: Path,
) -> NDArray[np.float16] | None:
    """float16 (V, T, E), mapped: of those of the manifest's `rows` that train, in order. None where none is asked for.

    `embeddings` (len(rows), E) are of the images themselves, and stand in for views of one that is not at hand.
    """
    trains = np.flatnonzero(job.manifest.splits[rows] == TRAIN)
    if not config.views or not len(trains):
        return None
    shape = (config.views, len(trains), embeddings.shape[1])
    views = _room_for(shape, work_dir / "views.f16")
    views[:] = embeddings[trains]
    may_flip = ~np.isin(job.manifest.positions[rows[trains]], config.augmentation.no_flip)
    embed_views(
        ViewSources(job.manifest.image_ids[rows[trains]], job.manifest.rotations[rows[trains]], may_flip),
        views,
        read_pixels=SnapshotPixels(job.manifest, trunk.engine.input_size).read,
        embed=trunk.engine.embed,
        augmentation=config.augmentation,
        folder=get_storage().root / FOLDER,
        trunk_key=f"{trunk.ref.digest}|{trunk.ref.preprocessing}",
        on_progress=lambda done, total: context.progress(done, total, "Embedding augmented views"),
    )
    return views


def _room_for(shape: tuple[int, int, int], path: Path) -> NDArray[np.float16]:
    """A mapped file of that shape. A full disk is an OSError now; met while filling, it would kill the process."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, math.prod(shape) * np.dtype(np.float16).itemsize)
    return np.memmap(path, np.float16, "r+", shape=shape)
