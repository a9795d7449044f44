"""What is deleted by policy: sets that can be made again, and what ended training runs left."""

from __future__ import annotations

from app.core.settings import get_settings
from app.core.storage import get_storage
from app.training.leftovers import sweep_work
from app.training.log_policy import sweep_logs
from worker.celery_app import celery_app
from worker.learning.kept_sets import delete_unused

SETS = ("shards", "views")
_DAY_S = 86_400.0


@celery_app.task(name="training.sweep")
def delete_unused_sets() -> int:
    """Delete packed images and views that nobody has taken up for long or that are too much, work folders and logs."""
    settings, root = get_settings(), get_storage().root
    gone = delete_unused(
        [root / name for name in SETS],
        unused_s=settings.packed_days * _DAY_S,
        most_bytes=int(settings.packed_gib * 2**30),
    )
    return len(gone) + sweep_work() + sweep_logs()
