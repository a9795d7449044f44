"""The work of a bulk identification: resumable by chunk, cancellable, the same values however it is interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.embeddings.work import ROWS_PER_SHARD
from app.identification.candidates import find_candidates
from app.identification.schemas import Selection
from app.identification.selection import PAGE, forget_ids, selected_ids, selection_size
from app.identification.standing import standing_job
from app.predictions.rows import predicted_ids
from app.predictions.scoring import IDS_PER_CHUNK, score_images
from app.predictions.service import count_rows, finish_job, job_of_run, open_job, store_scores
from app.registry.queries import get_version, production, version_classes
from app.runs.context import RunContext


@dataclass(frozen=True, slots=True)
class _Job:
    id: int
    version_id: int


class _Remaining:
    """The selection without what the job has scored before, which `skipped` counts."""

    def __init__(self, selection: Selection, project_id: int, job_id: int) -> None:
        self._ids = selected_ids(selection, project_id)
        self._job_id = job_id
        self.skipped = 0

    def __iter__(self) -> Iterator[int]:
        while page := list(islice(self._ids, PAGE)):
            with read() as session:
                known = predicted_ids(session, self._job_id, page)
            self.skipped += len(known)
            yield from (image_id for image_id in page if image_id not in known)


def identify(context: RunContext, *, ids_per_chunk: int = IDS_PER_CHUNK, rows_per_shard: int = ROWS_PER_SHARD) -> None:
    """The run kind `identification.identify`. Parameters: `version_id` (None: production), `selection`, `standing`."""
    selection = Selection.model_validate(context.parameters.get("selection") or {"kind": "pool"})
    with write() as session:
        job = _open(session, context)
        if job is None:
            context.complete(session, {"images": 0, "note": "no version is in production yet"})
            return
    with read() as session:
        total = selection_size(session, selection, context.project_id)
        class_ids = [entry.class_id for entry in version_classes(session, job.version_id)]
    remaining = _Remaining(selection, context.project_id, job.id)
    began = time.monotonic()

    def tell(dealt: int) -> None:
        rate = dealt / max(time.monotonic() - began, 1e-6)
        context.progress(remaining.skipped + dealt, total, "Identifying", images_per_second=round(rate, 1))

    scored = score_images(
        job.version_id,
        remaining,
        on_chunk=lambda ids, scores: store_scores(job.id, class_ids, ids, scores),
        should_stop=lambda: context.wants() is not None,
        on_progress=tell,
        ids_per_chunk=ids_per_chunk,
        rows_per_shard=rows_per_shard,
    )
    context.raise_if_cancelled()
    seconds = time.monotonic() - began
    result: Json = {
        "job_id": job.id,
        "version_id": job.version_id,
        "images": count_rows(job.id),
        "scored_now": scored.images,
        "embedded": scored.embedded,
        "unreadable": len(scored.unreadable),
        "images_per_second": round(scored.images / seconds, 1) if seconds > 0 else None,
        "candidates": _candidates(context, job) if scored.is_complete else {},
    }
    with write() as session:
        finish_job(session, job.id, images=result["images"])
        context.complete(session, result, stopped_early=not scored.is_complete)
    forget_ids(selection)


def _open(session: Session, context: RunContext) -> _Job | None:
    """The run's job. A standing run goes on with the job that its version's first standing run opened."""
    known = job_of_run(session, context.run_id)
    if known is not None:
        return _Job(known.id, known.version_id)
    version_id: int | None = context.parameters.get("version_id")
    if version_id is None:
        serving = production(session, context.project_id)
        if serving is None:
            return None
        version_id = serving.version_id
    get_version(session, version_id, context.project_id)
    if context.parameters.get("standing"):
        standing = standing_job(session, context.project_id, version_id)
        if standing is not None:
            return _Job(standing, version_id)
    job_id = open_job(
        session,
        project_id=context.project_id,
        run_id=context.run_id,
        version_id=version_id,
        purpose="identification",
    )
    return _Job(job_id, version_id)


def _candidates(context: RunContext, job: _Job) -> dict[str, int]:
    """Images found for each class below the cutoff, by class name. A standing run looks for none: it never ends."""
    if context.parameters.get("standing"):
        return {}
    return find_candidates(
        job.id, job.version_id, tell=lambda done, total: context.progress(done, total, "Looking for candidates")
    )
