"""Asking for embeddings. The work itself is in `work.py`, the files and their index in `store.py`."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.core.database import Json
from app.embeddings.clusters import clusters_follow_up
from app.runs.service import request_run

KIND = "embeddings.embed"
TITLE = "Embed the library"


def follow_up(project_id: int) -> Json:
    """A run's follow-up that embeds the whole library by the reference trunk; many at once become one.

    The clusters follow.
    """
    return {
        "kind": KIND,
        "title": TITLE,
        "parameters": {},
        "coalesce_key": f"{KIND}:{project_id}",
        "follow_ups": [clusters_follow_up(project_id)],
    }


def request_embedding(session: Session, project_id: int, *, user_id: int | None = None) -> int:
    """Embed the whole library by the reference trunk, in the background. Returns the run, or the one queued already."""
    return request_run(session, project_id=project_id, created_by=user_id, **follow_up(project_id))
