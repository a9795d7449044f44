"""Telling people and other programs what happened."""

from __future__ import annotations

from worker.celery_app import celery_app


@celery_app.task(name="telling.tell")
def tell() -> int:
    """A turn of notices and webhooks."""
    from app.assembly.telling import tell_news

    return tell_news()
