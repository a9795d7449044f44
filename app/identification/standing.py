"""Standing identification: the production version identifies pool and unknowns by itself, arrivals included.

One job per version grows with each run, so its page shows them all, and an arrival costs one image. It is asked for
when images were imported or served, and by each promotion: it begins as soon as a worker is free. Whatever else brings
an image back (a label undone, a turn) is found within LOOK_SECONDS for each half million images (`catching_up.py`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import Json
from app.embeddings.service import follow_up as embedding_follow_up
from app.embeddings.service import request_embedding
from app.predictions.models import ScoringJob
from app.registry.queries import production, reference_trunk
from app.runs.models import Run
from app.runs.service import request_run

KIND = "identification.identify"
LOOK_SECONDS: Final = 300
"""How often images are looked for that no event told of; see `catching_up.py`."""


def coalesce_key(project_id: int) -> str:
    """Many requests while one run waits become that one run."""
    return f"{KIND}:standing:{project_id}"


def standing_follow_up(project_id: int) -> Json:
    """For `follow_ups` of a run that changes the pool or production; does nothing while no version is in production."""
    return {
        "kind": KIND,
        "title": "Identify pool and unknowns by the production version",
        "parameters": {"version_id": None, "selection": {"kind": "open"}, "standing": True},
        "coalesce_key": coalesce_key(project_id),
    }


def request_standing(session: Session, project_id: int) -> int | None:
    """Ask within a write session; returns the run, or None where nothing is in production."""
    if production(session, project_id) is None:
        return None
    return request_run(session, project_id=project_id, **standing_follow_up(project_id))


def request_after_import(session: Session, project_id: int) -> None:
    """Identify what came into the pool, then embed the rest by the reference trunk: one after the other.

    Within a write session. Before there is a version or a trunk, nothing is asked for.
    """
    embedding = [embedding_follow_up(project_id)] if reference_trunk(session, project_id) else []
    if production(session, project_id) is not None:
        request_run(session, project_id=project_id, **standing_follow_up(project_id), follow_ups=embedding)
    elif embedding:
        request_embedding(session, project_id)


def standing_job(session: Session, project_id: int, version_id: int) -> int | None:
    """The job that this version's standing runs share, once the first has opened it and while its results are kept."""
    return session.scalar(
        select(ScoringJob.id)
        .join(Run, Run.id == ScoringJob.run_id)
        .where(
            ScoringJob.version_id == version_id,
            ScoringJob.dropped_at.is_(None),
            Run.coalesce_key == coalesce_key(project_id),
        )
        .order_by(ScoringJob.id)
        .limit(1)
    )
