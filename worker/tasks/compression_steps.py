"""The steps of making a version smaller: images → smaller trunk → measured beside the one before → one transaction."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.database import read, write
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.datasets.schemas import TRAIN
from app.inference.engine import TrunkEngine
from app.inference.head import Head, load_head
from app.registry.artifacts import checked_path
from app.registry.queries import get_trunk
from app.registry.schemas import TrunkRef
from app.registry.service import register_trunk
from app.training.compression import LEAST_AGREEMENT, Compressed, CompressionJob, load_compression, register_compressed
from app.training.pixels import SnapshotPixels
from worker.execution import RunContext
from worker.learning.artifacts import file_digest
from worker.learning.compress import prune, quantise
from worker.learning.errors import ManifestInvalid, ParityBroken
from worker.learning.parity import served_rate
from worker.tasks.training_faults import full_disk_said, parent_file
from worker.tasks.trunk_files import publish, registered_trunk

CALIBRATION_IMAGES: Final = 128
COMPARED_IMAGES: Final = 512
_TIMED_IMAGES: Final = 64


def compress_version(context: RunContext) -> None:
    """The work of a compression run; repeated after a kill, it makes the same files again."""
    with read() as session:
        job = load_compression(
            session, run_id=context.run_id, project_id=context.project_id, parameters=context.parameters
        )
    folder = get_storage().work_dir("training", job.run_id)
    with full_disk_said():
        context.progress(0, 3, "Reading images")
        images = _images(job, measured=True, most=COMPARED_IMAGES)
        context.progress(1, 3, "Making the trunk smaller")
        trunk, zeros = _quantised(job, folder) if job.asked.method == "int8" else _pruned(job, folder)
        context.progress(2, 3, "Comparing with the version before")
        made = _measured(job, trunk, images, zeros)
    if job.asked.method == "int8" and made.agreement < LEAST_AGREEMENT:
        raise ParityBroken(
            f"int8 must keep at least {LEAST_AGREEMENT:.0%} of the first answers; it kept {made.agreement:.1%} of those"
            f" on {made.images} images. Nothing was registered."
        )
    with write() as session:
        context.complete(session, register_compressed(session, job, made))
    shutil.rmtree(folder, ignore_errors=True)


def _quantised(job: CompressionJob, folder: Path) -> tuple[TrunkRef, None]:
    source = job.version.trunk
    out_path = folder / "int8.onnx"
    exported = parent_file(job.version, source.exported_file, source.exported_digest)
    quantise(exported, out_path, _images(job, measured=False, most=CALIBRATION_IMAGES))
    digest = file_digest(out_path)
    publish(out_path, f"{digest}.onnx")
    with write() as session:
        trunk_id = register_trunk(
            session,
            digest=digest,
            architecture=source.architecture,
            input_size=source.input_size,
            width=source.width,
            preprocessing=source.preprocessing,
            weights_file=source.weights_file,
            exported_file=f"{digest}.onnx",
            exported_digest=digest,
            byte_count=out_path.stat().st_size,
            precision="int8",
        )
        return get_trunk(session, trunk_id), None


def _pruned(job: CompressionJob, folder: Path) -> tuple[TrunkRef, float]:
    source = job.version.trunk
    out_path = folder / "pruned.trunk.safetensors"
    zeros = prune(parent_file(job.version, source.weights_file, source.digest), out_path, share=job.asked.share)
    return registered_trunk(out_path, folder), zeros


def _images(job: CompressionJob, *, measured: bool, most: int) -> NDArray[np.uint8]:
    """Images of the snapshot, spread: of validation and test, or of train alone. Raises ManifestInvalid without any."""
    is_train = job.manifest.splits == TRAIN
    ids = job.manifest.image_ids[~is_train if measured and not is_train.all() else is_train]
    chosen = ids[np.linspace(0, len(ids) - 1, min(most, len(ids))).astype(np.int64)]
    pixels = SnapshotPixels(job.manifest, job.version.trunk.input_size)
    found = [image for image in pixels.read(chosen.tolist()) if image is not None]
    if not found:
        raise ManifestInvalid("None of the images that a smaller version is measured on is at hand.")
    return np.stack(found)


def _measured(job: CompressionJob, trunk: TrunkRef, images: NDArray[np.uint8], zeros: float | None) -> Compressed:
    """Both trunks under the one head: the same first answers, sizes and speeds."""
    threads = get_settings().inference_threads or None
    head = load_head(parent_file(job.version, job.version.head_file, job.version.head_digest))
    source = job.version.trunk
    before = TrunkEngine(checked_path(source.exported_file, source.exported_digest), threads=threads)
    after = TrunkEngine(checked_path(trunk.exported_file, trunk.exported_digest), threads=threads)
    same = int((_answers(before, head, images) == _answers(after, head, images)).sum())
    timed = images[:_TIMED_IMAGES]
    return Compressed(
        trunk_id=trunk.id,
        bytes_before=source.byte_count,
        bytes_after=trunk.byte_count,
        speed_before=served_rate(timed, before),
        speed_after=served_rate(timed, after),
        images=len(images),
        same=same,
        zeros=zeros,
    )


def _answers(engine: TrunkEngine, head: Head, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    answers: NDArray[np.int64] = head.scores(engine.embed(images)).argmax(axis=1)
    return answers
