"""How long the logs for TensorBoard are kept. The curves in the database stay with their run."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Final

from app.core.clock import now
from app.core.storage import get_storage
from app.training.tensorboards import FOLDER

KEPT: Final = timedelta(days=90)


def sweep_logs() -> int:
    """Deletes the logs of runs that wrote none for KEPT, and their projects' empty folders; how many runs'."""
    too_old = (now() - KEPT).timestamp()
    gone = 0
    for run in sorted(get_storage().root.glob(f"{FOLDER}/*/*")):
        if _written_at(run) < too_old:
            shutil.rmtree(run, ignore_errors=True)
            gone += 1
            if not any(run.parent.iterdir()):
                run.parent.rmdir()
    return gone


def _written_at(folder: Path) -> float:
    """Seconds of the last write to any of its files; of the folder itself where it is empty."""
    return max((path.stat().st_mtime for path in folder.rglob("*")), default=folder.stat().st_mtime)
