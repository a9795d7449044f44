"""Makes projects' runs for tests."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import write
from app.projects.models import Project
from app.runs.models import Run, RunState
from app.runs.service import request_run


def any_project(session: Session) -> int:
    """The id of some project; made when there is none."""
    found = session.scalar(select(Project.id).limit(1))
    if found is not None:
        return found
    return session.scalars(
        insert(Project).values(slug="birds", name="Birds", created_at=now()).returning(Project.id)
    ).one()


def queued_run(*, kind: str = "identification.identify", **arguments: object) -> int:
    """A queued run in some project; `arguments` go to request_run."""
    with write() as session:
        values = {"title": "Identify the pool", "parameters": {}, **arguments}
        return request_run(session, project_id=any_project(session), kind=kind, **values)  # type: ignore[arg-type]


def ended_run(session: Session, **arguments: object) -> int:
    """A run that has succeeded without any work: no worker that hears of it takes it up."""
    run_id = request_run(session, **arguments)  # type: ignore[arg-type]
    session.execute(update(Run).where(Run.id == run_id).values(state=RunState.SUCCEEDED))
    return run_id


def reread(run_id: int) -> Run:
    """The run as it is stored now."""
    with write() as session:
        return session.get_one(Run, run_id, populate_existing=True)
