"""What a student is taught: the pool images that join its training, and the teacher's answers for every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.core.database import read
from app.datasets.schemas import TRAIN, Manifest
from app.datasets.teaching import rotations_of, take_from_pool
from app.embeddings.store import read_embeddings
from app.embeddings.work import embed_missing
from app.registry.artifacts import LoadedVersion, load_version
from app.training.schemas import TrainingJob
from worker.execution import RunContext
from worker.learning.config import FitConfig
from worker.learning.distill import UNLABELLED, TeacherAnswers, soft_answers

_BLOCK = 8192


@dataclass(frozen=True)
class Lesson:
    """The images to train on, the pool's among them, and what the teacher says of each."""

    manifest: Manifest
    teacher: LoadedVersion
    config: FitConfig
    classes: Sequence[int]

    @property
    def says(self) -> str:
        """One line for the run's log."""
        pool = int(np.sum(self.manifest.positions == UNLABELLED))
        return f"Version {self.teacher.version.number} teaches, {pool:,} images of the pool among what it answers for."

    def answers(self, image_ids: Sequence[int]) -> TeacherAnswers:
        """The teacher's answers for these images, in order; nothing for one whose embedding cannot be made."""
        position = {class_id: place for place, class_id in enumerate(self.classes)}
        position_of = np.array([position.get(each, -1) for each in self.teacher.class_ids], np.int64)
        with read() as session:
            found, embeddings = read_embeddings(session, self.teacher.trunk.ref.id, image_ids)
        place = {image_id: row for row, image_id in enumerate(found)}
        rows = np.array([place.get(image_id, -1) for image_id in image_ids], np.int64)
        parts = []
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            logits = self.teacher.head.logits(embeddings[np.maximum(block, 0)])
            said = soft_answers(
                logits, position_of, temperature=self.config.teacher_temperature, class_count=len(self.classes)
            )
            parts.append(replace(said, shares=said.shares * (block >= 0)[:, None]))
        return TeacherAnswers(
            np.concatenate([part.classes for part in parts]), np.concatenate([part.shares for part in parts])
        )


def lesson(context: RunContext, job: TrainingJob, config: FitConfig) -> Lesson | None:
    """What the run is taught; None without a teacher. Pool images are chosen once, and the same after a restart."""
    if job.teacher is None:
        return None
    teacher = load_version(job.teacher.id)
    pool = take_from_pool(job.project_id, run_id=job.run_id, snapshot_id=job.snapshot_id, most=job.pool_images)
    whole = _with_pool(job.manifest, pool)
    ids = whole.image_ids.tolist()
    embed_missing(
        teacher.trunk,
        ids,
        on_progress=lambda settled: context.progress(settled, len(ids), "Asking the teacher"),
    )
    return Lesson(whole, teacher, config, [each.class_id for each in job.manifest.classes])


def _with_pool(manifest: Manifest, pool: list[int]) -> Manifest:
    with read() as session:
        rotations = rotations_of(session, pool)
    added = len(pool)
    return replace(
        manifest,
        image_ids=np.concatenate([manifest.image_ids, np.array(pool, np.int64)]),
        positions=np.concatenate([manifest.positions, np.full(added, UNLABELLED, manifest.positions.dtype)]),
        splits=np.concatenate([manifest.splits, np.full(added, TRAIN, manifest.splits.dtype)]),
        rotations=np.concatenate(
            [manifest.rotations, np.array([rotations.get(each, 0) for each in pool], manifest.rotations.dtype)]
        ),
    )
