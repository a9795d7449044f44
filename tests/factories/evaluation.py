"""Evaluations of a version by row: what it said of which images, without scoring any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import insert

from app.core.database import write
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.models import SnapshotClass, SnapshotImage
from app.evaluation.figures import Scores
from app.evaluation.storing import put_in_force, store
from app.evaluation.subsets import Subset
from app.evaluation.thresholds import Thresholds
from app.predictions.service import finish_job, open_job
from tests.factories.datasets import make_images
from tests.factories.registry import TinyVersion
from tests.factories.runs import ended_run

Answer = tuple[int, int, int, float]
"""Image id, true class id (0: none it knows), predicted class id, confidence."""


def answers(image_ids: Sequence[int], truth: int, predicted: int, confidence: float = 0.9) -> list[Answer]:
    """The same answer for each of the images."""
    return [(image_id, truth, predicted, confidence) for image_id in image_ids]


def scores_of(said: Sequence[Answer]) -> Scores:
    """Answers as scores; the confidence of the truth is that of the prediction where right, else the rest halved."""
    columns = sorted(said)
    ids, truth, predicted = (np.array([row[at] for row in columns], dtype=np.int64) for at in range(3))
    confidence = np.array([row[3] for row in columns], dtype=np.float64)
    is_right = truth == predicted
    true_confidence = np.where(truth == 0, np.nan, np.where(is_right, confidence, (1 - confidence) / 2))
    rank = np.where(truth == 0, 0, np.where(is_right, 1, 2))
    return Scores(ids, truth, predicted, confidence, true_confidence, rank)


def evaluated(
    project_id: int,
    version: TinyVersion,
    said: Mapping[str, Sequence[Answer]],
    *,
    exposed: int = 0,
    upper: float = 0.8,
    lower: float = 0.4,
) -> None:
    """The version as evaluated: its answers by subset (test, validation, train or benchmark:<set id>)."""
    with write() as session:
        run_id = ended_run(session, project_id=project_id, kind="evaluation.evaluate", title="Evaluate", parameters={})
        job_id = open_job(session, project_id=project_id, run_id=run_id, version_id=version.id, purpose="evaluation")
    ids = []
    for name, rows in {"validation": [], **said}.items():
        scores = scores_of(rows)
        set_id = int(name.partition(":")[2]) if ":" in name else None
        subset = Subset(name, set_id, scores.image_ids, scores.truth, exposed if set_id else 0)
        thresholds = Thresholds(upper, lower, "given by a test")
        found, _ = store(
            version_id=version.id, job_id=job_id, attempt=0, thresholds=thresholds, subset=subset, rows=scores
        )
        ids.append(found)
    with write() as session:
        put_in_force(session, version.id, ids)
        finish_job(session, job_id, images=0)


def benchmark_set(
    project_id: int, images: int, class_id: int | None, *, name: str = "Field", is_tuning: bool = False
) -> tuple[int, list[int]]:
    """A benchmark set of images without bytes, all of one truth; (set id, image ids)."""
    with write() as session:
        ids = make_images(session, project_id, images, class_id)
        truths = dict.fromkeys(ids, class_id)
        made = make_benchmark_set(
            session, project_id=project_id, name=name, image_ids=ids, truths=truths, is_tuning=is_tuning
        )
        return made.id, sorted(ids)


def fill_snapshot(snapshot_id: int, class_names: Mapping[int, str], splits: Mapping[str, Mapping[int, int]]) -> None:
    """Classes, and images (id to class id) by split, into an empty snapshot."""
    rows = [
        {
            "snapshot_id": snapshot_id,
            "image_id": image_id,
            "class_id": class_id,
            "split": split,
            "rotation": 0,
            "why": "",
        }
        for split, images in splits.items()
        for image_id, class_id in images.items()
    ]
    classes = [
        {
            "snapshot_id": snapshot_id,
            "class_id": class_id,
            "name": name,
            "position": position,
            "usable": 100,
            "needs": 0,
            **{
                split: list(splits.get(split, {}).values()).count(class_id) for split in ("train", "validation", "test")
            },
            "measured": True,
        }
        for position, (class_id, name) in enumerate(class_names.items())
    ]
    with write() as session:
        session.execute(insert(SnapshotClass), classes)
        if rows:
            session.execute(insert(SnapshotImage), rows)
