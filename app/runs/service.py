"""What people and other domains ask of runs: request, cancel, stop, resume. The worker's side is in `claims.py`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, after_commit
from app.core.errors import Conflict, InvalidInput, NotFound
from app.runs.broker import announce
from app.runs.kinds import RUN_KINDS
from app.runs.lifecycle import ENDED, change_state
from app.runs.models import Run, RunState, RunTransition


def request_run(
    session: Session,
    *,
    project_id: int,
    kind: str,
    title: str,
    parameters: Json,
    created_by: int | None = None,
    throwaway: bool = False,
    fingerprint: str | None = None,
    coalesce_key: str | None = None,
    follow_ups: Sequence[Json] = (),
    follows_run_id: int | None = None,
) -> int:
    """Queue a run inside the caller's write session; it is announced once that commits. Returns its id.

    With a `coalesce_key`, a run already queued under that key is returned instead of a second one. `follow_ups` are
    requested in the transaction that marks success: dicts of this function's arguments, whose parameters may say
    "$result.NAME" for a value of the finished run's result.
    Raises InvalidInput for a kind that does not exist.
    """
    if kind not in RUN_KINDS:
        raise InvalidInput(f"a run's kind is one of {', '.join(sorted(RUN_KINDS))}; received {kind!r}")
    if coalesce_key is not None and (waiting := _waiting(session, coalesce_key)) is not None:
        return waiting
    queue = RUN_KINDS[kind].queue
    created_at = now()
    run_id = session.scalars(
        insert(Run).returning(Run.id),
        {
            "project_id": project_id,
            "kind": kind,
            "queue": queue,
            "title": title,
            "state": RunState.QUEUED,
            "throwaway": throwaway,
            "parameters": parameters,
            "fingerprint": fingerprint,
            "coalesce_key": coalesce_key,
            "follow_ups": list(follow_ups),
            "follows_run_id": follows_run_id,
            "progress": {},
            "announced_at": created_at,
            "created_by": created_by,
            "created_at": created_at,
        },
    ).one()
    session.execute(
        insert(RunTransition).values(
            run_id=run_id,
            from_state=None,
            to_state=RunState.QUEUED,
            attempt=0,
            reason="requested",
            at=created_at,
        )
    )
    after_commit(session, lambda: announce(run_id, kind=kind, queue=queue))
    return run_id


def request_one(
    session: Session, *, project_id: int, kind: str, title: str, parameters: Json, created_by: int | None
) -> int:
    """Queue a run over the whole project, or find the one of its kind that waits already. Returns its id."""
    return request_run(
        session,
        project_id=project_id,
        kind=kind,
        title=title,
        parameters=parameters,
        created_by=created_by,
        coalesce_key=f"{kind}:{project_id}",
    )


def _waiting(session: Session, coalesce_key: str) -> int | None:
    return session.scalar(select(Run.id).where(Run.coalesce_key == coalesce_key, Run.state == RunState.QUEUED))


def get_run(session: Session, run_id: int, project_id: int) -> Run:
    """A run of this project. Raises NotFound."""
    run = session.scalar(select(Run).where(Run.id == run_id, Run.project_id == project_id))
    if run is None:
        raise NotFound(f"no run {run_id} in this project")
    return run


def request_cancel(session: Session, run_id: int, project_id: int) -> RunState:
    """Cancel: a queued run at once, a running one at its next step. Returns the state it has now.

    Raises Conflict for a run that has ended.
    """
    run = get_run(session, run_id, project_id)
    _refuse_ended(run, "cancel")
    if run.state == RunState.QUEUED and change_state(
        session,
        run_id,
        from_state=RunState.QUEUED,
        to_state=RunState.CANCELLED,
        attempt=run.attempt,
        reason="cancelled before it started",
        finished_at=now(),
        cancel_requested_at=now(),
    ):
        return RunState.CANCELLED
    session.execute(update(Run).where(Run.id == run_id).values(cancel_requested_at=now()))
    return RunState(run.state)


def request_stop(session: Session, run_id: int, project_id: int) -> None:
    """Stop and keep the best so far; the run ends as a success marked `stopped_early`. Raises Conflict."""
    run = get_run(session, run_id, project_id)
    if run.state != RunState.RUNNING:
        raise Conflict(f"only a running run can be stopped early; run {run_id} is {run.state}")
    session.execute(update(Run).where(Run.id == run_id).values(stop_requested_at=now()))


def resume(session: Session, run_id: int, project_id: int) -> None:
    """Queue a failed or cancelled run again; it goes on from its last finished step. Raises Conflict."""
    run = get_run(session, run_id, project_id)
    if run.state not in {RunState.FAILED, RunState.CANCELLED}:
        raise Conflict(f"only a failed or cancelled run can be resumed; run {run_id} is {run.state}")
    kind, queue = run.kind, run.queue
    if change_state(
        session,
        run_id,
        from_state=RunState(run.state),
        to_state=RunState.QUEUED,
        attempt=run.attempt,
        reason="resumed",
        announced_at=now(),
        finished_at=None,
        cancel_requested_at=None,
        stop_requested_at=None,
        error_code=None,
        error_message=None,
    ):
        after_commit(session, lambda: announce(run_id, kind=kind, queue=queue))


def _refuse_ended(run: Run, act: str) -> None:
    if RunState(run.state) in ENDED:
        raise Conflict(f"cannot {act} run {run.id}: it has already {run.state}")
