"""What training runs leave on disk when they do not end by themselves."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta

from sqlalchemy import select

from app.core.clock import now
from app.core.database import id_rows, read
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.runs.models import Run, RunState

WORK = "training"
_FOLDER = re.compile(rf"{WORK}-(\d+)\Z")


def sweep_work() -> int:
    """Delete the work folders of runs that succeeded or are gone, and of those that ended long ago. Returns how many.

    A run that failed or was cancelled keeps its checkpoint for a while: it can be resumed.
    """
    folders = {
        int(found[1]): path for path in get_storage().folder("work").iterdir() if (found := _FOLDER.match(path.name))
    }
    limit = now() - timedelta(days=get_settings().packed_days)
    with read() as session:
        kept = session.scalars(
            select(Run.id).where(
                Run.id.in_(id_rows(session, list(folders))),
                Run.state != RunState.SUCCEEDED,
                Run.finished_at.is_(None) | (Run.finished_at >= limit),
            )
        ).all()
    due = [folders[run_id] for run_id in set(folders) - set(kept)]
    for path in due:
        shutil.rmtree(path, ignore_errors=True)
    return len(due)
