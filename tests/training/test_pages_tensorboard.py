"""TensorBoard of a project: its own logs alone, for its engineers alone, and no way out of the folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from app.core.database import write
from app.projects.models import Project
from app.training.tensorboards import log_folder
from app.web.headers import CONTENT_POLICY
from tests.factories.projects import add_member, make_project
from tests.web_client import Browser, SignInAs


def logged(project_id: int, run: str, value: float) -> None:
    """A log as a run leaves it, with one point."""
    writer = EventFileWriter(str(log_folder(project_id) / run))
    point = Summary(value=[Summary.Value(tag="loss", simple_value=value)])
    writer.add_event(Event(step=1, wall_time=1.0, summary=point))
    writer.close()


@pytest.fixture
def engineer(sign_in_as: SignInAs, project: Project) -> Browser:
    logged(project.id, "7", 0.25)
    return sign_in_as("engineer")


def test_a_project_s_board_shows_its_own_runs_alone(engineer: Browser, project: Project):
    with write() as session:
        other = make_project(session, "Fish of the lake")
        add_member(session, project_id=other.id, user_id=engineer.user_id, role="viewer")
    logged(other.id, "99", 0.75)
    here = f"/projects/{project.slug}/tensorboard"
    assert engineer.get(f"{here}/data/runs").json() == ["7"]
    tags = engineer.get(f"{here}/data/plugin/scalars/tags").json()
    assert list(tags) == ["7"]
    assert engineer.get(f"/projects/{other.slug}/tensorboard/data/runs").status_code == 403
    points = engineer.get(f"{here}/data/plugin/scalars/scalars?run=7&tag=loss").json()
    assert [point[2] for point in points] == [0.25]
    assert str(log_folder(project.id).parent) not in engineer.get(f"{here}/data/environment").text


def test_a_board_reads_its_logs_without_tensorflow(installation: Path):
    logged(1, "7", 0.5)
    probe = "from app.training.tensorboards import board_of; board_of(1, '/x')._read(); import sys; print(*sys.modules)"
    environment = {**os.environ, "WINNOW_DATA_DIR": str(installation)}
    command = [sys.executable, "-W", "error", "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert {"tensorflow", "keras", "torch"}.isdisjoint(done.stdout.split())


def test_its_page_alone_has_a_looser_policy_that_still_lets_nothing_in_from_elsewhere(
    engineer: Browser, project: Project
):
    here = f"/projects/{project.slug}/tensorboard"
    moved = engineer.get(f"{here}/?runFilter=7")
    assert moved.headers["Location"] == f"{here}/?tensorboardColab=true&runFilter=7"
    page = engineer.get(moved.headers["Location"])
    policy = page.headers["Content-Security-Policy"]
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts is not None
    assert page.status_code == 200
    assert "unsafe" not in scripts[1]
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert engineer.get(f"{here}/nowhere").headers["Content-Security-Policy"] == CONTENT_POLICY
    assert engineer.get(f"/projects/{project.slug}/runs").headers["Content-Security-Policy"] == CONTENT_POLICY


@pytest.mark.parametrize(
    "path",
    ["../../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/secret.txt", "data/plugin/../../../secret.txt"],
)
def test_no_path_leads_out_of_the_folder(engineer: Browser, project: Project, path: str):
    (log_folder(project.id).parent.parent / "secret.txt").write_text("hunter2")
    answer = engineer.get(f"/projects/{project.slug}/tensorboard/{path}")
    assert "hunter2" not in answer.text
    assert answer.status_code in {301, 302, 303, 400, 404}


def test_nobody_below_an_engineer_and_no_other_method_gets_through(
    sign_in_as: SignInAs, engineer: Browser, project: Project
):
    here = f"/projects/{project.slug}/tensorboard"
    for role in ("viewer", "reviewer"):
        assert sign_in_as(role).get(f"{here}/data/runs").status_code == 403
    assert sign_in_as("stranger").get(f"{here}/data/runs").status_code == 404
    assert engineer.post(f"{here}/data/plugin/timeseries/timeSeries", data={"requests": "[]"}).status_code == 405
