"""What answers now: each project's active deployment with its version loaded, looked up again every second.

The database is asked by one request at a time and at most once a second for a project; the others go on with what
there is. A new deployment replaces the old one in one step: whoever holds the old one finishes on it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core.database import read
from app.core.errors import Unavailable, WinnowError
from app.core.logging import get_logger
from app.projects.models import Project
from app.registry.artifacts import LoadedVersion, load_version
from app.registry.models import Deployment
from app.registry.queries import production
from app.registry.schemas import Production

LOOK_AGAIN_SECONDS: Final = 1.0
WARMED: Final = 3
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """A deployment, the loaded version that answers for it, and the project's policy on keeping images."""

    production: Production
    loaded: LoadedVersion
    keep_policy: str


@dataclass(slots=True)
class _Place:
    """What is known of one project."""

    active: Active | None = None
    looked_at: float = 0.0
    looking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_fresh(self) -> bool:
        return self.active is not None and time.monotonic() - self.looked_at < LOOK_AGAIN_SECONDS


class ActiveVersions:
    """The active deployments of this process. Safe among threads."""

    def __init__(self) -> None:
        self._places: dict[int, _Place] = {}

    def get(self, project_id: int) -> Active:
        """What answers for a project now. Raises Unavailable where nothing is in production or cannot be loaded."""
        place = self._places.setdefault(project_id, _Place())
        known = place.active
        if known is not None and place.is_fresh:
            return known
        if not place.looking.acquire(blocking=known is None):
            return known or self.get(project_id)
        try:
            if not place.is_fresh:
                place.active = _look(project_id, place.active)
                place.looked_at = time.monotonic()
        finally:
            place.looking.release()
        if place.active is None:
            raise Unavailable(
                "No version of this project is in production, so nothing can answer. Promote one on the page Models.",
                code="no_production",
            )
        return place.active

    def warm(self) -> None:
        """Load what was deployed last, so that the first request does not wait for it."""
        try:
            with read() as session:
                newest = select(Deployment.project_id).where(Deployment.is_active).order_by(Deployment.id.desc())
                projects = list(session.scalars(newest.limit(WARMED)))
            for project_id in projects:
                self.get(project_id)
        except (SQLAlchemyError, WinnowError) as error:
            _log.warning("production was not loaded ahead", error=str(error))


def _look(project_id: int, known: Active | None) -> Active | None:
    """The active deployment, loaded. Where that fails, what answered so far goes on answering, and the log says so."""
    try:
        with read() as session:
            serving = production(session, project_id)
            policy = _keep_policy(session, project_id)
        if serving is None:
            return None
        if known is not None and known.production.version_id == serving.version_id:
            return Active(serving, known.loaded, policy)
        loaded = load_version(serving.version_id)
        # Its engine opens here, so that no request waits for it.
        loaded.trunk.engine  # noqa: B018
        return Active(serving, loaded, policy)
    except (SQLAlchemyError, WinnowError) as error:
        if known is None:
            raise
        _log.error("what is in production cannot be loaded; the version before goes on answering", error=str(error))
        return known


def _keep_policy(session: Session, project_id: int) -> str:
    return session.scalar(select(Project.keep_served_images).where(Project.id == project_id)) or "none"
