"""Several workers on one job: the run that owns it asks for assistants, which claim chunks until none is left.

An assistant gives way when other work waits: one large identification never keeps imports or evaluations out. One that
no worker picked up is cancelled when the owner ends.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.database import read, write
from app.core.settings import get_settings
from app.identification.chunks import Part, plan_of, sums
from app.identification.schemas import Selection
from app.identification.working import Work, Worker
from app.predictions.models import ScoringJob
from app.runs.context import RunContext
from app.runs.kinds import ASSISTING
from app.runs.models import Run, RunState
from app.runs.service import request_cancel, request_run

KIND: Final = ASSISTING
_WITH_A_BROKER: Final = 4
_SHARED_QUEUES: Final = ("library", "identify", "default")
_LIVE: Final = (RunState.QUEUED, RunState.RUNNING)


def most_workers() -> int:
    """Processes that may work on one job. An embedded set-up is one machine, and one process uses all its cores."""
    settings = get_settings()
    return settings.identify_workers or (_WITH_A_BROKER if settings.broker_url else 1)


def _mark(run_id: int) -> str:
    return f"{KIND}:{run_id}"


def ask_for_assistants(work: Work, *, user_id: int | None) -> None:
    """Ask for as many as there are chunks and room for, unless other work waits. Asking again does no harm."""
    most = most_workers() - 1
    if most < 1:
        return
    with read() as session:
        here = sums(session, work.run_id)
        lacking = min(most, here.open_chunks - 1) - _count(session, work.run_id)
        if lacking < 1 or _others_wait(session):
            return
    with write() as session:
        for _ in range(lacking):
            request_run(
                session,
                project_id=work.project_id,
                kind=KIND,
                title=f"Assist the identification of run {work.run_id}",
                parameters={"run_id": work.run_id},
                fingerprint=_mark(work.run_id),
                created_by=user_id,
            )


def dismiss_assistants(work: Work) -> None:
    """Cancel those that no worker has picked up; the others end by themselves when no chunk is left."""
    with read() as session:
        is_waiting = (Run.fingerprint == _mark(work.run_id), Run.state == RunState.QUEUED)
        waiting = session.scalars(select(Run.id).where(*is_waiting)).all()
    for run_id in waiting:
        with write() as session:
            if session.get_one(Run, run_id).state in _LIVE:
                request_cancel(session, run_id, work.project_id)


def _count(session: Session, run_id: int) -> int:
    query = select(func.count()).select_from(Run).where(Run.fingerprint == _mark(run_id), Run.state.in_(_LIVE))
    return session.scalar(query) or 0


def _others_wait(session: Session) -> bool:
    """Whether work other than assistance waits for the workers that would assist."""
    waiting = select(Run.id).where(Run.state == RunState.QUEUED, Run.queue.in_(_SHARED_QUEUES), Run.kind != KIND)
    return session.scalar(waiting.limit(1)) is not None


def _is_wanted(session: Session, run_id: int) -> bool:
    """Whether the owner is still at it; one that lost its worker is, and goes on."""
    row = session.execute(select(Run.state, Run.cancel_requested_at, Run.stop_requested_at).where(Run.id == run_id))
    state, cancelled_at, stopped_at = row.one()
    return state in _LIVE and cancelled_at is None and stopped_at is None


def assist(context: RunContext) -> None:
    """The run kind `identification.assist`. Parameters: `run_id`, the identification to help with."""
    run_id = int(context.parameters["run_id"])
    work = _work_of(run_id)
    worker, gave_way = None, False
    if work is not None:
        helper = worker = Worker(context, work, lambda part, dealt: _look(context, run_id, part, dealt))
        while helper.do_one():
            with read() as session:
                if gave_way := _others_wait(session):
                    break
    context.raise_if_cancelled()
    done = {"chunks": worker.parts, "images": worker.images} if worker else {"chunks": 0, "images": 0}
    with write() as session:
        context.complete(session, {"run_id": run_id, **done, "gave_way": gave_way})


def _look(context: RunContext, run_id: int, part: Part, dealt: int) -> bool:
    context.progress(dealt, part.images, f"Chunk {part.number + 1} of run {run_id}")
    with read() as session:
        return _is_wanted(session, run_id) and context.wants() is None


def _work_of(run_id: int) -> Work | None:
    """What the owner has laid out; None where it has ended."""
    plan = plan_of(run_id)
    with read() as session:
        if plan is None or not _is_wanted(session, run_id):
            return None
        owner = session.get_one(Run, run_id)
        version_id = session.scalars(select(ScoringJob.version_id).where(ScoringJob.id == plan.job_id)).one()
    selection = selection_of(owner)
    return Work(run_id, owner.project_id, plan.job_id, version_id, selection, plan.ids_per_range)


def selection_of(run: Run | RunContext) -> Selection:
    """What an identification is over. A standing one is over everything that waits for a label, whatever it says."""
    if run.parameters.get("standing"):
        return Selection(kind="open")
    return Selection.model_validate(run.parameters.get("selection") or {"kind": "pool"})
