"""Studies as background work."""

from __future__ import annotations

from worker.celery_app import celery_app


@celery_app.task(name="studies.advance")
def advance() -> int:
    """A turn of every running study."""
    from app.studies.work import advance_all

    return advance_all()
