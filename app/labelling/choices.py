"""The queue that a labeller chose last in a project."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import insert_into
from app.labelling.policies import Mix
from app.labelling.queue_models import QueueChoice


def chosen_policy(session: Session, *, user_id: int, project_id: int) -> str:
    """The mix as it stands in an address; the newest first until another was chosen."""
    mine = (QueueChoice.user_id == user_id, QueueChoice.project_id == project_id)
    return session.scalar(select(QueueChoice.policy).where(*mine)) or str(Mix())


def remember_policy(session: Session, *, user_id: int, project_id: int, policy: str) -> None:
    """Keep the choice; writes only where it changed."""
    if chosen_policy(session, user_id=user_id, project_id=project_id) == policy:
        return
    statement = insert_into(session, QueueChoice)
    replaced = statement.on_conflict_do_update(
        index_elements=["user_id", "project_id"], set_={"policy": statement.excluded.policy}
    )
    session.connection().execute(replaced, [{"user_id": user_id, "project_id": project_id, "policy": policy}])
