"""Chunks of a run's selection: laying them out, claiming one, and what is done so far.

A chunk is a range of image ids, so that laying out 10 million images reads no more than the bounds. Its bounds are
those of whole scoring ranges: whoever works it, and however often, gets the same values. A claim is a conditional
UPDATE, and holds as long as the lease of the run that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, insert_into, is_sqlite, read, write
from app.identification.chunk_models import Chunk, ChunkPlan
from app.identification.waiting import Waiting
from app.predictions.scoring import Scored
from app.runs.errors import LostLease
from app.runs.models import Run, RunState

FEWEST_PER_CHUNK: Final = 4096
MOST_PER_CHUNK: Final = 32_768
_CHUNKS_PER_WORKER: Final = 8
_CHUNKS_PER_WRITE: Final = 50
_MOST_UNREADABLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a chunk: a run at one attempt."""

    run_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Part:
    """A claimed chunk: the ids from `first_id` to `last_id`, `images` of them when they were laid out."""

    run_id: int
    number: int
    first_id: int
    last_id: int
    images: int


@dataclass(frozen=True, slots=True)
class Sums:
    """How far a run's chunks are. `seconds` are those of all workers together."""

    chunks: int
    open_chunks: int
    workers: int
    images: int
    dealt: int
    scored: int
    embedded: int
    unreadable: int
    seconds: float


def chunk_size(images: int, workers: int) -> int:
    """Images per chunk: enough chunks for each worker that none waits long for another at the end."""
    return min(MOST_PER_CHUNK, max(FEWEST_PER_CHUNK, images // (workers * _CHUNKS_PER_WORKER)))


def open_plan(session: Session, run_id: int, job_id: int, *, ids_per_range: int, after: int = 0) -> ChunkPlan:
    """The run's plan, made at the first call; it begins above the image id `after`. Needs a write session."""
    row = {"run_id": run_id, "job_id": job_id, "ids_per_range": ids_per_range, "planned_until": after}
    statement = insert_into(session, ChunkPlan).on_conflict_do_nothing(index_elements=["run_id"])
    session.connection().execute(statement, [{**row, "images": 0, "chunks": 0}])
    return session.get_one(ChunkPlan, run_id)


def reopen_plan(session: Session, run_id: int, *, after: int) -> None:
    """Look once more, from above the image id `after`: further chunks are added. Needs a write session."""
    session.execute(update(ChunkPlan).where(ChunkPlan.run_id == run_id).values(planned_until=after, laid_out_at=None))


def lay_out(plan: ChunkPlan, waiting: Waiting, *, until: int, images_per_chunk: int) -> None:
    """Add the chunks that the plan lacks, up to the image id `until`. Raises LostLease where another attempt does."""
    if plan.laid_out_at is not None:
        return
    reached, number, fresh = plan.planned_until, plan.chunks, list[Json]()
    for first_id, last_id, images in _bounds(plan, waiting, until=until, images_per_chunk=images_per_chunk):
        row = {"run_id": plan.run_id, "number": number, "first_id": first_id, "last_id": last_id, "images": images}
        fresh.append(row)
        number += 1
        if len(fresh) == _CHUNKS_PER_WRITE:
            _add(plan.run_id, reached, last_id, fresh)
            reached, fresh = last_id, []
    _add(plan.run_id, reached, max(reached, until), fresh, is_last=True)


def _bounds(plan: ChunkPlan, waiting: Waiting, *, until: int, images_per_chunk: int) -> Iterator[tuple[int, int, int]]:
    at, size = plan.planned_until, plan.ids_per_range
    while block := waiting.block(at, until, images_per_chunk):
        first_id = max(at + 1, block.first_id // size * size)
        last_id = block.last_id // size * size + size - 1
        yield first_id, last_id, block.images + waiting.count(block.last_id + 1, min(last_id, until))
        at = last_id


def _add(run_id: int, planned_from: int, until: int, rows: list[Json], *, is_last: bool = False) -> None:
    values: Json = {
        "planned_until": until,
        "chunks": ChunkPlan.chunks + len(rows),
        "images": ChunkPlan.images + sum(row["images"] for row in rows),
    }
    if is_last:
        values["laid_out_at"] = now()
    with write() as session:
        statement = update(ChunkPlan).where(
            ChunkPlan.run_id == run_id, ChunkPlan.planned_until == planned_from, ChunkPlan.laid_out_at.is_(None)
        )
        if session.connection().execute(statement.values(**values)).rowcount == 0:
            raise LostLease(f"another attempt lays out the chunks of run {run_id}")
        if rows:
            defaults = {"dealt": 0, "scored": 0, "embedded": 0, "unreadable": 0, "unreadable_ids": [], "seconds": 0.0}
            session.connection().execute(insert(Chunk), [row | defaults for row in rows])


def _is_held() -> ColumnElement[bool]:
    """Whether the run that claimed a chunk still has its lease."""
    return exists().where(
        Run.id == Chunk.claimed_by,
        Run.attempt == Chunk.claimed_attempt,
        Run.state == RunState.RUNNING,
        Run.lease_until > now(),
    )


def claim_part(run_id: int, holder: Holder) -> Part | None:
    """Claim the run's next chunk that nobody has, or whose worker has lost its lease. None: none is left to claim."""
    is_free = (Chunk.run_id == run_id, Chunk.done_at.is_(None), or_(Chunk.claimed_by.is_(None), ~_is_held()))
    free = select(Chunk.number).where(*is_free).order_by(Chunk.number).limit(1)
    columns = (Chunk.run_id, Chunk.number, Chunk.first_id, Chunk.last_id, Chunk.images)
    while True:
        with write() as session:
            number = session.scalar(free if is_sqlite(session) else free.with_for_update(skip_locked=True))
            if number is None:
                return None
            claimed = session.execute(
                update(Chunk)
                .where(*is_free, Chunk.number == number)
                .values(claimed_by=holder.run_id, claimed_attempt=holder.attempt, dealt=0)
                .returning(*columns),
                execution_options={"synchronize_session": False},
            ).one_or_none()
        if claimed is not None:
            return Part(*claimed)


def _own(part: Part, holder: Holder) -> tuple[ColumnElement[bool], ...]:
    return (
        Chunk.run_id == part.run_id,
        Chunk.number == part.number,
        Chunk.claimed_by == holder.run_id,
        Chunk.claimed_attempt == holder.attempt,
        Chunk.done_at.is_(None),
    )


def note_dealt(session: Session, part: Part, holder: Holder, dealt: int) -> bool:
    """Tell how many images of a claimed chunk are settled. False when somebody else has it now."""
    statement = update(Chunk).where(*_own(part, holder)).values(dealt=min(dealt, part.images))
    return session.connection().execute(statement).rowcount == 1


def release(part: Part, holder: Holder) -> None:
    """Give a claimed chunk back: what is stored of it is kept, and the rest is for whoever comes next."""
    with write() as session:
        session.execute(
            update(Chunk).where(*_own(part, holder)).values(claimed_by=None, claimed_attempt=None, dealt=0),
            execution_options={"synchronize_session": False},
        )


def finish(session: Session, part: Part, holder: Holder, scored: Scored, seconds: float) -> bool:
    """Mark a claimed chunk as done. False when somebody else has it: the same rows are stored by either."""
    statement = (
        update(Chunk)
        .where(*_own(part, holder))
        .values(
            dealt=part.images,
            scored=scored.images,
            embedded=scored.embedded,
            unreadable=len(scored.unreadable),
            unreadable_ids=scored.unreadable[:_MOST_UNREADABLE],
            seconds=seconds,
            done_at=now(),
        )
    )
    return session.connection().execute(statement).rowcount == 1


def sums(session: Session, run_id: int) -> Sums:
    """How far a run is: one statement over its chunks, of which there are some thousand at most."""
    is_open = Chunk.done_at.is_(None)
    columns = (Chunk.images, Chunk.dealt, Chunk.scored, Chunk.embedded, Chunk.unreadable)
    chunks, open_chunks, workers, seconds, *images = session.execute(
        select(
            func.count(),
            func.count().filter(is_open),
            func.count(func.distinct(Chunk.claimed_by)).filter(is_open, _is_held()),
            func.coalesce(func.sum(Chunk.seconds), 0.0),
            *(func.coalesce(func.sum(column), 0) for column in columns),
        ).where(Chunk.run_id == run_id)
    ).one()
    told = dict(zip(("images", "dealt", "scored", "embedded", "unreadable"), map(int, images), strict=True))
    return Sums(chunks=chunks, open_chunks=open_chunks, workers=workers, seconds=float(seconds), **told)


def unreadable_ids(session: Session, run_id: int) -> list[int]:
    """Images of the run's chunks that gave no pixels, ascending; at most some thousand."""
    lists = session.scalars(
        select(Chunk.unreadable_ids).where(Chunk.run_id == run_id, Chunk.unreadable > 0).limit(_MOST_UNREADABLE)
    )
    return sorted({image_id for ids in lists for image_id in ids})[:_MOST_UNREADABLE]


def drop_plan(session: Session, run_id: int) -> None:
    """Forget plan and chunks of a run that has succeeded."""
    session.execute(delete(Chunk).where(Chunk.run_id == run_id))
    session.execute(delete(ChunkPlan).where(ChunkPlan.run_id == run_id))


def plan_of(run_id: int) -> ChunkPlan | None:
    """The plan of a run, while it has one."""
    with read() as session:
        return session.get(ChunkPlan, run_id)
