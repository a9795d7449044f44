"""What lies on disk after training: deleted by policy, never what a run can still use."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.core.clock import now
from app.core.database import write
from app.core.storage import get_storage
from app.runs.models import Run, RunState
from app.runs.service import request_run
from tests.factories.datasets import make_project
from worker.learning.kept_sets import hold
from worker.tasks.housekeeping import delete_unused_sets

pytestmark = pytest.mark.usefixtures("installation")


def _run(project_id: int, state: RunState, days_ago: int | None) -> Path:
    with write() as session:
        run_id = request_run(session, project_id=project_id, kind="training.train", title="Train", parameters={})
        finished_at = None if days_ago is None else now() - timedelta(days=days_ago)
        session.execute(update(Run).where(Run.id == run_id).values(state=state, finished_at=finished_at))
    folder = get_storage().work_dir("training", run_id)
    (folder / "checkpoint.safetensors").write_bytes(b"x")
    return folder


def _set(kind: str, name: str, *, days_ago: int) -> Path:
    place = get_storage().folder(kind) / name
    place.mkdir()
    (place / "00000.shard").write_bytes(b"x")
    used_at = time.time() - days_ago * 86_400
    os.utime(place, (used_at, used_at))
    return place


def test_what_nobody_can_use_any_more_goes():
    with write() as session:
        project_id = make_project(session)
    stay = [
        _run(project_id, RunState.RUNNING, None),
        _run(project_id, RunState.QUEUED, None),
        _run(project_id, RunState.FAILED, 13),
        _run(project_id, RunState.CANCELLED, 1),
        get_storage().work_dir("export", 999_999),
        _set("shards", "used lately", days_ago=13),
        _set("views", "old but in use", days_ago=90),
    ]
    go = [
        _run(project_id, RunState.SUCCEEDED, 0),
        _run(project_id, RunState.FAILED, 15),
        get_storage().work_dir("training", 999_998),
        _set("shards", "old", days_ago=15),
        _set("views", "old", days_ago=15),
    ]
    views = get_storage().root / "views"
    held = hold(views, "old but in use")
    os.utime(views / "old but in use.lock", (0, 0))
    assert delete_unused_sets() == len(go)
    assert all(path.exists() for path in stay)
    assert not any(path.exists() for path in go)
    held.close()
