"""The work of a bulk identification: chunks, shared with assistants, the same values however it is interrupted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.embeddings.work import ROWS_PER_SHARD
from app.identification.again import keep_look, look_again
from app.identification.assisting import ask_for_assistants, dismiss_assistants, most_workers, selection_of
from app.identification.binning import COUNTED_BY_PAGE, request_bins
from app.identification.candidates import find_candidates
from app.identification.chunk_models import ChunkPlan
from app.identification.chunks import (
    Holder,
    chunk_size,
    drop_plan,
    lay_out,
    open_plan,
    reopen_plan,
    sums,
    unreadable_ids,
)
from app.identification.selection import forget_ids
from app.identification.standing import standing_job
from app.identification.standing_jobs import Turn, end_turn, leave, take_turn
from app.identification.waiting import highest_id
from app.identification.working import Pace, Work, Worker, sums_of
from app.predictions.scoring import IDS_PER_CHUNK
from app.predictions.service import finish_job, job_of_run, open_job, settle_rows
from app.registry.queries import get_version, production
from app.runs.context import RunContext

SECONDS_BETWEEN_LOOKS: Final = 0.3


@dataclass(slots=True)
class _Share:
    """What the owner of a job knows while it and its assistants work."""

    context: RunContext
    work: Work
    images_per_chunk: int | None
    pace: Pace = field(default_factory=Pace)
    began: float = field(default_factory=time.monotonic)
    scored_before: int = 0
    is_replaced: bool = False

    def look(self, *_: object) -> bool:
        """Tell how far all workers are. False: the run was asked to stop, or its version no longer serves."""
        here = sums_of(self.work)
        rate = self.pace.rate(here.dealt)
        workers = max(1, here.workers)
        note = f"{here.dealt:,} of {here.images:,} images" + (f", {workers} workers" if workers > 1 else "")
        live: Json = {"images_per_second": round(rate, 1), "workers": workers}
        if rate > 0:
            live["eta_seconds"] = round((here.images - here.dealt) / rate, 1)
        self.context.progress(here.dealt, here.images, note, **live)
        if self.context.parameters.get("standing"):
            with read() as session:
                serving = production(session, self.context.project_id)
            self.is_replaced = serving is None or serving.version_id != self.work.version_id
        return self.context.wants() is None and not self.is_replaced


def identify(
    context: RunContext,
    *,
    ids_per_chunk: int = IDS_PER_CHUNK,
    rows_per_shard: int = ROWS_PER_SHARD,
    images_per_chunk: int | None = None,
) -> None:
    """The run kind `identification.identify`. Parameters: `version_id` (None: production), `selection`, `standing`.

    Images are scored by ranges of `ids_per_chunk` ids; a chunk of work is as many whole ranges as hold
    `images_per_chunk` images (None: by how many there are).
    """
    with write() as session:
        opened = _open(session, context)
        if opened is None:
            context.complete(session, {"images": 0, "note": "no version is in production yet"})
            return
        job_id, version_id = opened
        plan = open_plan(session, context.run_id, job_id, ids_per_range=ids_per_chunk)
    ids_per_range = plan.ids_per_range
    work = Work(
        context.run_id, context.project_id, job_id, version_id, selection_of(context), ids_per_range, rows_per_shard
    )
    share = _Share(context, work, images_per_chunk, scored_before=sums_of(work).scored)
    if context.parameters.get("standing"):
        _identify_standing(share)
    else:
        is_complete = _do_chunks(share)
        _end(share, is_complete=is_complete)
    forget_ids(work.selection)


def _open(session: Session, context: RunContext) -> tuple[int, int] | None:
    """The run's (job, version). A standing run goes on with the job that its version's first standing run opened."""
    known = job_of_run(session, context.run_id)
    if known is not None:
        return known.id, known.version_id
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
            return standing, version_id
    job_id = open_job(
        session,
        project_id=context.project_id,
        run_id=context.run_id,
        version_id=version_id,
        purpose="identification",
    )
    return job_id, version_id


def _do_chunks(share: _Share, *, without: frozenset[int] = frozenset()) -> bool:
    """Lay out what is missing and see it done, with whoever helps. False: stopped before the end."""
    context, work = share.context, share.work
    with read() as session:
        plan = session.get_one(ChunkPlan, work.run_id)
    top = highest_id(work.project_id)
    waiting = work.waiting(without=without)
    size = share.images_per_chunk or chunk_size(waiting.count(plan.planned_until + 1, top), most_workers())
    lay_out(plan, waiting, until=top, images_per_chunk=size)
    share.look()
    worker = Worker(context, work, share.look)
    try:
        ask_for_assistants(work, user_id=context.created_by)
        while True:
            while worker.do_one():
                ask_for_assistants(work, user_id=context.created_by)
            if worker.is_stopped or not share.look():
                context.raise_if_cancelled()
                return False
            if not sums_of(work).open_chunks:
                return True
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        dismiss_assistants(work)


def _end(share: _Share, *, is_complete: bool) -> None:
    """End an identification that somebody asked for."""
    context, work = share.context, share.work
    result = _result(share, candidates=_candidates(share) if is_complete else {})
    with write() as session:
        finish_job(session, work.job_id, images=result["images"])
        drop_plan(session, work.run_id)
        if result["images"] > COUNTED_BY_PAGE:  # The histogram of a smaller job is counted by its page.
            request_bins(session, project_id=context.project_id, job_id=work.job_id, user_id=context.created_by)
        context.complete(session, result, stopped_early=not is_complete)


def _identify_standing(share: _Share) -> None:
    """Whatever waits in pool and unknowns; again, where somebody asked meanwhile."""
    context, work = share.context, share.work
    holder = Holder(context.run_id, context.attempt)
    while True:
        with write() as session:
            turn = take_turn(session, work.project_id, work.job_id, holder)
            if isinstance(turn, int):
                note = f"run {turn} is at it and looks again before it ends"
                drop_plan(session, work.run_id)
                context.complete(session, {"job_id": work.job_id, "version_id": work.version_id, "note": note})
                return
            plan = session.get_one(ChunkPlan, work.run_id)
            is_begun = plan.planned_until > 0 and plan.laid_out_at is None
            if not is_begun and not sums(session, work.run_id).open_chunks:
                reopen_plan(session, work.run_id, after=turn.after)
        with read() as session:
            known = frozenset(unreadable_ids(session, work.run_id))
        is_complete = _do_chunks(share, without=known)
        if _end_standing(share, turn, holder, is_complete=is_complete):
            return


def _end_standing(share: _Share, turn: Turn, holder: Holder, *, is_complete: bool) -> bool:
    """End a standing run. False: somebody asked while it was at work, so it must look again."""
    context, work = share.context, share.work
    result = _result(share, candidates={})
    with read() as session:
        plan = session.get_one(ChunkPlan, work.run_id)
        fresh = unreadable_ids(session, work.run_id)
        look = look_again(session, work.project_id, work.job_id, work.version_id) if is_complete else None
    with write() as session:
        if not is_complete:
            leave(session, turn, holder)
        elif not end_turn(session, turn, holder, seen_until=plan.planned_until, unreadable=fresh):
            return False
        if look is not None:
            keep_look(session, look)
        if share.is_replaced:
            result["note"] = "another version is in production now"
        finish_job(session, work.job_id, images=result["images"])
        drop_plan(session, work.run_id)
        context.complete(session, result, stopped_early=not is_complete)
    return True


def _result(share: _Share, *, candidates: dict[str, int]) -> Json:
    work, done = share.work, sums_of(share.work)
    seconds = time.monotonic() - share.began
    return {
        "job_id": work.job_id,
        "version_id": work.version_id,
        "images": settle_rows(work.job_id),
        "scored_now": done.scored,
        "embedded": done.embedded,
        "unreadable": done.unreadable,
        "chunks": done.chunks,
        "images_per_second": round((done.scored - share.scored_before) / seconds, 1) if seconds > 0 else None,
        "candidates": candidates,
    }


def _candidates(share: _Share) -> dict[str, int]:
    """Images found for each class below the cutoff, by class name. A standing run looks for none: it never ends."""
    context = share.context
    return find_candidates(
        share.work.job_id,
        share.work.version_id,
        tell=lambda done, total: context.progress(done, total, "Looking for candidates"),
    )
