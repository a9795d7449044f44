"""Logs for TensorBoard go after a while; those of younger runs stay."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from app.core.clock import now
from app.training.log_policy import KEPT, sweep_logs
from app.training.tensorboards import log_folder


@pytest.mark.usefixtures("installation")
def test_logs_of_runs_that_are_long_over_are_deleted():
    day = timedelta(days=1)
    for project_id, run_id, age in ((1, 1, KEPT + day), (1, 2, KEPT - day), (2, 3, KEPT * 2)):
        log = log_folder(project_id) / str(run_id) / "events.out"
        log.parent.mkdir(parents=True)
        log.write_bytes(b"curve")
        at = (now() - age).timestamp()
        os.utime(log, (at, at))
    assert sweep_logs() == 2
    assert [path.name for path in log_folder(1).iterdir()] == ["2"]
    assert not log_folder(2).exists()
    assert sweep_logs() == 0
