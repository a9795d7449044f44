"""What happened lately: acts of labelling, runs that ended, what went into production, in one list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.labelling.queries import actions
from app.reports.figures import deployments
from app.runs.queries import newest_runs

SHOWN: Final = 10
_ACTS: Final = {"promote": "v{} promoted to production", "rollback": "Rolled back to v{}"}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. `path` lies below the project; `state` is a run's, where it is one."""

    at: datetime
    words: str
    by: str | None
    path: str
    state: str | None = None


def recent_activity(session: Session, project_id: int, *, limit: int = SHOWN) -> list[Happening]:
    """The newest happenings, newest first."""
    labelled = [Happening(act.at, act.summary, act.by, "/history") for act in actions(session, project_id, limit=limit)]
    ended = [
        Happening(run.finished_at, run.title, run.created_by, f"/runs/{run.id}", run.state)
        for run in newest_runs(session, project_id, limit=2 * limit)
        if run.finished_at is not None
    ]
    served = [
        Happening(one.started_at, _ACTS[one.act].format(one.version_number), one.by, "/production")
        for one in deployments(session, project_id)[:limit]
    ]
    return sorted((*labelled, *ended, *served), key=lambda each: each.at, reverse=True)[:limit]
