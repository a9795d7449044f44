"""Model version states: which may follow which, and the one function that changes them.

candidate → approved | rejected      approved → retired      rejected → approved, only with an override
Production is a pointer, not a state; a throw-away version is never approved.
"""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.errors import Conflict, NotFound
from app.registry.models import ModelVersion, VersionState, VersionTransition

TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    VersionState.CANDIDATE: frozenset({VersionState.APPROVED, VersionState.REJECTED}),
    VersionState.APPROVED: frozenset({VersionState.RETIRED}),
    VersionState.REJECTED: frozenset({VersionState.APPROVED}),
    VersionState.RETIRED: frozenset(),
}
NEED_OVERRIDE = frozenset({(VersionState.REJECTED, VersionState.APPROVED)})


def change_state(
    session: Session,
    version_id: int,
    *,
    to_state: VersionState,
    reason: str,
    user_id: int | None,
    override_reason: str | None = None,
) -> None:
    """Move a version on and write the transition row.

    Raises NotFound; Conflict for a transition that the table does not allow, for a throw-away version to be approved,
    for a rejected one to be approved without an override's reason, and where somebody else was first.
    """
    row = session.execute(
        select(ModelVersion.state, ModelVersion.throwaway).where(ModelVersion.id == version_id)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no model version {version_id}")
    from_state = VersionState(row.state)
    if to_state not in TRANSITIONS[from_state]:
        raise Conflict(f"a version that is {from_state} cannot become {to_state}")
    if row.throwaway and to_state == VersionState.APPROVED:
        raise Conflict("a throw-away version is never approved")
    if (from_state, to_state) in NEED_OVERRIDE and not override_reason:
        raise Conflict("a rejected version is approved only with the written reason of an override")
    moved = session.connection().execute(
        update(ModelVersion)
        .where(ModelVersion.id == version_id, ModelVersion.state == from_state)
        .values(state=to_state)
    )
    if moved.rowcount == 0:
        raise Conflict(f"version {version_id} was changed by somebody else meanwhile")
    session.execute(
        insert(VersionTransition).values(
            version_id=version_id,
            from_state=from_state,
            to_state=to_state,
            reason=override_reason or reason,
            user_id=user_id,
            at=now(),
        )
    )
