"""The work of an evaluation run: score every image that a version is measured on, and store the figures.

The exported artifact is what is scored, through the engine that serves. Scores come from stored embeddings, so a
repeated run gives the same figures; they come into force in the transaction that completes the run.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.evaluation.figures import Scores
from app.evaluation.storing import clear_leftovers, put_in_force, store
from app.evaluation.subsets import Subset, subsets_of
from app.evaluation.thresholds import propose_thresholds
from app.predictions.scoring import score_images
from app.predictions.service import finish_job, open_job, settle_rows, store_scores
from app.registry.queries import get_version, version_classes


class Context(Protocol):
    """What this work needs of its run."""

    run_id: int
    project_id: int
    attempt: int
    parameters: Json

    def progress(self, done: int, total: int, note: str = "", **live: object) -> None:
        """Tell how far the work is; raises when the run was cancelled."""

    def complete(self, session: Session, result: Json, *, stopped_early: bool = False) -> None:
        """End the run in this session."""


class Gathered:
    """Scores of one subset's images, taken in chunk by chunk."""

    def __init__(self, subset: Subset, class_ids: list[int]) -> None:
        self.subset = subset
        self._class_ids = np.array(class_ids, dtype=np.int64)
        place_of = {class_id: place for place, class_id in enumerate(class_ids)}
        self._column = np.array([place_of.get(each, -1) for each in subset.truth.tolist()], dtype=np.int64)
        count = len(subset.image_ids)
        self._predicted = np.zeros(count, dtype=np.int64)
        self._confidence = np.zeros(count)
        self._true_confidence = np.full(count, np.nan)
        self._true_rank = np.zeros(count, dtype=np.int64)

    def add(self, image_ids: list[int], scores: NDArray[np.float32]) -> None:
        """Take in those of a chunk that belong here: scores float32 (N, C) of these images."""
        _, at, rows = np.intersect1d(
            self.subset.image_ids, np.array(image_ids, dtype=np.int64), assume_unique=True, return_indices=True
        )
        best = scores[rows].argmax(axis=1)
        self._predicted[at] = self._class_ids[best]
        self._confidence[at] = scores[rows, best]
        known = self._column[at] >= 0
        at, rows = at[known], rows[known]
        mine = scores[rows, self._column[at]]
        self._true_confidence[at] = mine
        self._true_rank[at] = (scores[rows] > mine[:, None]).sum(axis=1) + 1

    def scores(self) -> Scores:
        """All rows, without images that gave no pixels."""
        everything = Scores(
            self.subset.image_ids,
            self.subset.truth,
            self._predicted,
            self._confidence,
            self._true_confidence,
            self._true_rank,
        )
        return everything.only(self._predicted != 0)


def evaluate(context: Context) -> None:
    """Evaluate the version named in the run's parameters (`version_id`), and complete the run with its main figures."""
    version_id = int(context.parameters["version_id"])
    with read() as session:
        version = get_version(session, version_id, context.project_id)
        class_ids = [entry.class_id for entry in version_classes(session, version_id)]
        subsets = subsets_of(
            session, project_id=context.project_id, version_id=version_id, snapshot_id=version.snapshot_id
        )
    with write() as session:
        job_id = open_job(
            session,
            project_id=context.project_id,
            run_id=context.run_id,
            version_id=version_id,
            purpose="evaluation",
        )
    clear_leftovers(version_id, job_id=job_id, attempt=context.attempt)
    gathered = [Gathered(subset, class_ids) for subset in subsets]
    _score(context, version_id, job_id, class_ids, gathered)
    evaluation_ids, figures = _store(context, version_id, job_id, gathered)
    images = settle_rows(job_id)
    with write() as session:
        put_in_force(session, version_id, evaluation_ids)
        finish_job(session, job_id, images=images)
        context.complete(session, {"version_id": version_id, "number": version.number, "figures": figures})


def _score(context: Context, version_id: int, job_id: int, class_ids: list[int], gathered: list[Gathered]) -> None:
    image_ids = np.unique(np.concatenate([each.subset.image_ids for each in gathered])).tolist()

    def keep(chunk: list[int], scores: NDArray[np.float32]) -> None:
        for each in gathered:
            each.add(chunk, scores)
        store_scores(job_id, class_ids, chunk, scores)

    def tell(done: int) -> None:
        context.progress(done, len(image_ids), "Scoring")

    score_images(version_id, image_ids, on_chunk=keep, on_progress=tell)


def _store(context: Context, version_id: int, job_id: int, gathered: list[Gathered]) -> tuple[list[int], Json]:
    """Evaluation ids, and the main figures by subset: images, exposed, accuracy (None where not measured)."""
    scored = [(each.subset, each.scores()) for each in gathered]
    basis = [rows for subset, rows in scored if subset.name == "validation" or subset.is_tuning]
    thresholds = propose_thresholds(Scores.joined(basis))
    ids, main = [], {}
    for done, (subset, rows) in enumerate(scored):
        context.progress(done, len(scored), "Storing the figures")
        evaluation_id, figures = store(
            version_id=version_id,
            job_id=job_id,
            attempt=context.attempt,
            thresholds=thresholds,
            subset=subset,
            rows=rows,
        )
        ids.append(evaluation_id)
        share = figures["accuracy"]
        main[subset.name] = {
            "images": share["total"] if share else 0,
            "exposed": subset.exposed,
            "accuracy": share["value"] if share else None,
        }
    return ids, main
