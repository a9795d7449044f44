"""Run states: which may follow which, and the one function that changes them.

queued → running → succeeded | failed | cancelled      queued → cancelled
running → queued (lost worker)                          failed | cancelled → queued (resume)
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.runs.end_models import RunEnd
from app.runs.models import Run, RunState, RunTransition

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.QUEUED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset({RunState.QUEUED}),
    RunState.CANCELLED: frozenset({RunState.QUEUED}),
}
ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


def change_state(
    session: Session,
    run_id: int,
    *,
    from_state: RunState,
    to_state: RunState,
    attempt: int,
    reason: str,
    new_attempt: int | None = None,
    **values: Any,
) -> bool:
    """Move a run on if it still is in `from_state` at this `attempt`; write the transition row.

    Returns False, with nothing changed, when somebody else was first. Raises ValueError for a transition that the
    table does not allow. `values` are further columns of Run to set; `new_attempt` fences out an earlier worker.
    """
    if to_state not in TRANSITIONS[from_state]:
        raise ValueError(f"a run may not go from {from_state} to {to_state}")
    reached = attempt if new_attempt is None else new_attempt
    statement = (
        update(Run)
        .where(Run.id == run_id, Run.state == from_state, Run.attempt == attempt)
        .values(state=to_state, attempt=reached, progress_version=Run.progress_version + 1, **values)
    )
    if session.connection().execute(statement).rowcount == 0:
        return False
    session.execute(
        insert(RunTransition).values(
            run_id=run_id,
            from_state=from_state,
            to_state=to_state,
            attempt=reached,
            reason=reason,
            at=now(),
        )
    )
    if to_state in ENDED:  # An outbox: `telling` says so once this is committed, whatever becomes of this process.
        session.execute(insert(RunEnd).values(run_id=run_id, attempt=reached, state=to_state))
    return True
