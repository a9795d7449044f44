"""Images that are here get capture groups by folder or metadata column; what measured beside its like retires."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.clock import now
from app.core.database import read, write
from app.library.metadata import metadata_columns, record_metadata
from app.library.models import CaptureGroup, Image, ImageSource
from app.library.regrouping import KIND, group_captures
from app.projects.models import Project
from app.runs.models import Run, RunState
from tests.factories.datasets import make_capture_group, make_project
from tests.factories.library import add_batch, add_images
from tests.factories.predictions import run_now
from tests.factories.runs import any_project
from tests.web_client import SignInAs


@pytest.fixture
def project_id(installation: Path) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


def groups(project_id: int) -> dict[int, tuple[str | None, bool]]:
    """Key of the capture group and whether leaked, by image."""
    query = select(Image.id, CaptureGroup.key, Image.leaked).outerjoin(CaptureGroup)
    with read() as session:
        rows = session.execute(query.where(Image.project_id == project_id))
        return {image_id: (key, leaked) for image_id, key, leaked in rows}


def test_folders_name_groups_bursts_come_along_and_measuring_images_retire(project_id: int):
    with write() as session:
        batch = add_batch(session, project_id)
        ids = add_images(session, project_id, 4, split="test") + add_images(session, project_id, 1, split="train")
        burst = make_capture_group(session, project_id)
        session.get_one(Image, ids[0]).capture_group_id = burst
        session.get_one(Image, ids[4]).capture_group_id = burst
        names = ["a/monday/1.jpg", "a/monday/2.jpg", "a/tuesday/3.jpg", "4.jpg"]
        for image_id, name in zip(ids, names, strict=False):
            session.add(ImageSource(image_id=image_id, batch_id=batch, name=name, created_at=now()))
    run = run_now(project_id, KIND, {"by": "folders", "levels": 2}, group_captures)
    assert run.result == {"images": 3, "groups": 2, "retired": 2}
    monday, tuesday = "group:a/monday", "group:a/tuesday"
    expected = [(monday, True), (monday, True), (tuesday, False), (None, False), (monday, False)]
    assert groups(project_id) == dict(zip(ids, expected, strict=True))
    again = run_now(project_id, KIND, {"by": "folders", "levels": 2}, group_captures)
    assert again.result == {"images": 3, "groups": 2, "retired": 0}


def test_a_metadata_column_names_groups(sign_in_as: SignInAs, project: Project):
    with write() as session:
        ids, sites = add_images(session, project.id, 3), ("north", "south", "north")
        record_metadata(session, project.id, {i: {"site": site} for i, site in zip(ids, sites, strict=True)})
        (column_id,) = metadata_columns(session, project.id)
    engineer = sign_in_as("engineer")
    path = f"/projects/{project.slug}/library/capture"
    assert "site" in engineer.get(path).text
    assert engineer.post(path, data={"by": "column"}).status_code == 422
    assert engineer.post(path, data={"by": "column", "column_id": column_id}).status_code == 303
    with read() as session:
        parameters = session.scalars(select(Run.parameters).where(Run.kind == KIND)).one()
    run_now(project.id, KIND, parameters, group_captures)
    assert [key for key, _ in groups(project.id).values()] == ["group:north", "group:south", "group:north"]
    with write() as session:
        other = make_project(session)
    assert run_now(other, KIND, parameters, group_captures).state == RunState.FAILED
