"""The Celery instance of worker, trainer and beat. Tasks live in `worker/tasks`, one thin module per domain.

The parent process imports no TensorFlow: a child forked after one TensorFlow operation would hang for ever.
"""

from __future__ import annotations

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from app.assembly import fields as _filter_fields  # noqa: F401 - filters know every domain's fields by it
from app.assembly import following as _followers  # noqa: F401 - images may change where it is imported
from app.assembly import needing as _needs  # noqa: F401 - old results go only where it is imported
from app.core.database import get_engine
from app.core.logging import configure_logging
from app.core.settings import get_settings
from app.identification.standing import LOOK_SECONDS
from app.runs.broker import configure

TASK_MODULES = (
    "worker.tasks.embeddings",
    "worker.tasks.evaluation",
    "worker.tasks.exchange",
    "worker.tasks.housekeeping",
    "worker.tasks.identification",
    "worker.tasks.identification_acts",
    "worker.tasks.labelling",
    "worker.tasks.library",
    "worker.tasks.predictions",
    "worker.tasks.registry",
    "worker.tasks.runs",
    "worker.tasks.studies",
    "worker.tasks.telling",
    "worker.tasks.training",
)

# TensorFlow keeps what it once took; a child beyond this is replaced after its task.
MOST_MEMORY_KIB = 3 * 2**20

celery_app = configure(Celery("winnow", include=TASK_MODULES))
celery_app.conf.update(
    worker_max_tasks_per_child=20,
    worker_max_memory_per_child=MOST_MEMORY_KIB,
    worker_soft_shutdown_timeout=5.0,
    worker_enable_soft_shutdown_on_idle=True,
    beat_schedule={
        "sweep": {
            "task": "runs.sweep",
            "schedule": float(get_settings().sweep_seconds),
            "options": {"queue": "default", "expires": float(get_settings().sweep_seconds)},
        },
        "recipes": {
            "task": "training.recipes",
            "schedule": 60.0,
            "options": {"queue": "default", "expires": 60.0},
        },
        "sweep-training": {
            "task": "training.sweep",
            "schedule": 3600.0,
            "options": {"queue": "default", "expires": 3600.0},
        },
        "studies": {
            "task": "studies.advance",
            "schedule": 10.0,
            "options": {"queue": "default", "expires": 10.0},
        },
        "tell": {
            "task": "telling.tell",
            "schedule": 5.0,
            "options": {"queue": "default", "expires": 5.0},
        },
        "catch-up": {
            "task": "identification.catch_up",
            "schedule": float(LOOK_SECONDS),
            "options": {"queue": "default", "expires": float(LOOK_SECONDS)},
        },
        "clean-embeddings": {
            "task": "embeddings.request_cleanings",
            "schedule": 6 * 3600.0,
            "options": {"queue": "default", "expires": 3600.0},
        },
        "clean-results": {
            "task": "predictions.request_cleanings",
            "schedule": 6 * 3600.0,
            "options": {"queue": "default", "expires": 3600.0},
        },
        "sweep-exports": {
            "task": "exchange.sweep_exports",
            "schedule": 3600.0,
            "options": {"queue": "default", "expires": 3600.0},
        },
    },
)


@setup_logging.connect
def _use_our_logging(**_: object) -> None:
    configure_logging()


@worker_process_init.connect
def _forget_connections(**_: object) -> None:
    """A forked child must not share the parent's database connections."""
    if get_engine.cache_info().currsize:
        get_engine().dispose(close=False)
