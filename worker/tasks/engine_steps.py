"""Choosing the engine that runs a version's trunk on this kind of machine: tried on real images, then pinned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.database import Json, read, write
from app.core.settings import get_settings
from app.datasets.queries import manifest as read_manifest
from app.datasets.schemas import TRAIN, Manifest
from app.inference.engine import TrunkEngine
from app.inference.head import Head, load_head
from app.inference.plans import EnginePlan, machine_name
from app.inference.trials import Trial, try_plans
from app.registry.artifacts import checked_path
from app.registry.engines import precision_to_be, settle_engines
from app.registry.queries import get_version
from app.registry.schemas import TrunkRef, VersionRef
from app.training.pixels import SnapshotPixels
from worker.execution import RunContext
from worker.learning.errors import ManifestInvalid
from worker.learning.parity import check_exported

KERAS_IMAGES: Final = 64
"""Compared with Keras itself, which is slow; it is what shows that the plain engine may stand for it."""
ENGINE_IMAGES: Final = 200
"""Compared among the engines, with the plain one as the trained network's proxy."""


def images_of(manifest: Manifest, input_size: int, *, most: int) -> NDArray[np.uint8]:
    """Up to `most` images spread over test and validation, of train where there are none: uint8 (N, S, S, 3).

    Raises ManifestInvalid where none is at hand.
    """
    order = np.lexsort((manifest.image_ids, manifest.splits == TRAIN))
    measured = int(np.sum(manifest.splits != TRAIN))
    pool = manifest.image_ids[order][: measured or len(order)]
    chosen = pool[np.linspace(0, len(pool) - 1, min(most, len(pool))).astype(np.int64)]
    pixels = SnapshotPixels(manifest, input_size).read(chosen.tolist())
    found = [image for image in pixels if image is not None]
    if not found:
        raise ManifestInvalid("None of the images that the exported network is checked on is at hand.")
    return np.stack(found)


def choose_engine(
    trunk: TrunkRef, head: Head, images: NDArray[np.uint8], *, tell: Callable[[str], None] = lambda _: None
) -> tuple[EnginePlan, list[Trial]]:
    """Try what runs here on real images, keep the figures and pin the fastest that keeps the answers.

    To be called where the exported file has been found to answer as the trained network: by the plain engine it
    gives the answers to compare with. Raises EngineError where none may run the trunk.
    """
    path = checked_path(trunk.exported_file, trunk.exported_digest)
    reference = head.scores(TrunkEngine(path, threads=get_settings().inference_threads).embed(images))
    with read() as session:
        precision = precision_to_be(session, trunk.id)
    trials = try_plans(
        path,
        images,
        reference,
        score=head.scores,
        precision=precision,
        threads=get_settings().inference_threads,
        tell=tell,
    )
    with write() as session:
        return settle_engines(session, trunk.id, trials), trials


def measure_engines(context: RunContext) -> None:
    """The run kind `registry.measure_engines`: Keras against the plain engine, then all engines, for one version."""
    with read() as session:
        version = get_version(session, int(context.parameters["version_id"]), context.project_id)
        manifest = read_manifest(session, version.snapshot_id)
    context.progress(0, 0, "Reading images")
    images = images_of(manifest, version.trunk.input_size, most=ENGINE_IMAGES)
    head_path = checked_path(version.head_file, version.head_digest)
    context.progress(0, 0, "Comparing with Keras")
    if version.trunk.precision == "float32":
        _check(version, head_path, images)
    plan, trials = choose_engine(
        version.trunk, load_head(head_path), images, tell=lambda tried: context.progress(0, 0, f"Trying {tried}")
    )
    result: Json = {
        "version_id": version.id,
        "machine": machine_name(),
        "engine": plan.engine,
        "precision": plan.precision,
        "images": len(images),
        "tried": len(trials),
        "images_per_second": round(max(each.images_per_s for each in trials if each.plan == plan), 1),
    }
    with write() as session:
        context.complete(session, result)


def _check(version: VersionRef, head_path: Path, images: NDArray[np.uint8]) -> None:
    """Raises ParityBroken. A version of which no weights are left, or of int8, cannot be held against Keras."""
    spread = images[np.linspace(0, len(images) - 1, min(KERAS_IMAGES, len(images))).astype(np.int64)]
    check_exported(
        spread,
        trunk_path=checked_path(version.trunk.weights_file, version.trunk.digest),
        head_path=head_path,
        onnx_path=checked_path(version.trunk.exported_file, version.trunk.exported_digest),
        threads=get_settings().inference_threads or None,
    )
