"""The broker as the web process sees it: where it is, and how a run is announced.

A message carries the id of a run and nothing else. A lost one is found by the sweep, so a broker that does not answer
costs time, never work.
"""

from __future__ import annotations

import hashlib
import tempfile
from functools import lru_cache
from pathlib import Path

from celery import Celery
from kombu.exceptions import OperationalError

from app.core.logging import get_logger
from app.core.settings import get_settings

DAY_SECONDS = 86_400
_SOCKET_LIMIT = 100
log = get_logger(__name__)


def socket_path() -> Path:
    """The embedded broker's socket: in the data folder, or in the temporary folder where that path is too long."""
    folder = get_settings().data_dir.resolve()
    inside = folder / "broker" / "broker.sock"
    if len(str(inside)) <= _SOCKET_LIMIT:
        return inside
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"winnow-{mark}" / "broker.sock"


def broker_url() -> str:
    """The configured Redis, or the embedded broker's socket."""
    return get_settings().broker_url or f"redis+socket://{socket_path()}"


def configure(celery: Celery) -> Celery:
    """Settings that sender and worker share: JSON only, late acknowledgement, a visibility timeout of days."""
    celery.conf.update(
        broker_url=broker_url(),
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 7 * DAY_SECONDS,
            "queue_order_strategy": "priority",
            "socket_connect_timeout": 2,
        },
        task_default_queue="default",
        enable_utc=True,
        timezone="UTC",
    )
    return celery


@lru_cache(maxsize=1)
def get_sender() -> Celery:
    """The Celery client that only sends."""
    celery = configure(Celery("winnow"))
    celery.conf.broker_transport_options["max_retries"] = 0  # a page must not wait for a broker that is away
    return celery


def announce(run_id: int, *, kind: str, queue: str) -> None:
    """Nudge a worker: a run waits. Never raises for a broker that is away; the sweep announces again."""
    try:
        get_sender().send_task(kind, args=[run_id], queue=queue, retry=False)
    except OperationalError as error:
        log.warning("broker is away; the sweep will announce the run", run_id=run_id, error=str(error))
