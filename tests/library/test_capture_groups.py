"""Pictures of one burst or of one named session belong together."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import write
from app.library.capture import Shot, assign_bursts, assign_named
from app.library.models import CaptureGroup, Image
from tests.factories import labelling
from tests.factories.library import add_images


@pytest.fixture
def project_id(installation: Path) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return labelling.project(session)


def arrive(session: Session, project_id: int, *times: str, camera: str = "Canon EOS 5D", **values: Any):
    """Images taken at these times, one after the other, each as an import of its own; their capture groups."""
    ids = []
    for time in times:
        (image_id,) = add_images(session, project_id, camera=camera, captured_at=time, **values)
        assign_bursts(session, project_id, {image_id: Shot(camera, time)})
        ids.append(image_id)
    return ids


def groups(session: Session, ids: list[int]):
    return [session.get_one(Image, image_id, populate_existing=True).capture_group_id for image_id in ids]


def test_shots_within_three_seconds_of_one_another_form_a_chain(project_id: int):
    with write() as session:
        ids = arrive(session, project_id, "2024-05-01T10:00:00", "2024-05-01T10:00:03", "2024-05-01T10:00:06")
        found = groups(session, ids)
        assert len(set(found)) == 1
        assert found[0] is not None


def test_a_late_shot_joins_two_bursts(project_id: int):
    with write() as session:
        ids = arrive(
            session,
            project_id,
            *("2024-05-01T10:00:00", "2024-05-01T10:00:01", "2024-05-01T10:00:06", "2024-05-01T10:00:07"),
            "2024-05-01T10:00:04",
        )
        assert len(set(groups(session, ids))) == 1
        assert len(session.scalars(select(CaptureGroup.id)).all()) == 1


def test_distance_in_time_camera_or_project_keeps_shots_apart(project_id: int):
    with write() as session:
        other = labelling.project(session, "Other")
        ids = arrive(session, project_id, "2024-05-01T10:00:00", "2024-05-01T10:00:04")
        ids += arrive(session, project_id, "2024-05-01T10:00:00", camera="Nikon D90")
        ids += arrive(session, other, "2024-05-01T10:00:00")
        assert groups(session, ids) == [None] * 4


@pytest.mark.parametrize(
    "time", ["1970-01-01T00:00:00", "2015-01-01T00:00:05", "0001-01-01T00:00:00", "9999-12-31T23:59:59"]
)
def test_a_camera_whose_clock_was_never_set_makes_no_burst(project_id: int, time: str):
    with write() as session:
        assert groups(session, arrive(session, project_id, time, time)) == [None, None]


def test_named_groups_are_shared_between_imports_of_a_project(project_id: int):
    with write() as session:
        first, second, third = add_images(session, project_id, 3)
        assign_named(session, project_id, {first: "site A", second: "site B"})
        assign_named(session, project_id, {third: "site A"})
        a, b, again = groups(session, [first, second, third])
        assert a == again != b


def test_a_burst_across_a_split_retires_the_measuring_image(project_id: int):
    with write() as session:
        trained = arrive(session, project_id, "2024-05-01T10:00:00", split="train")
        tested = arrive(session, project_id, "2024-05-01T10:00:05", split="test")
        arrive(session, project_id, "2024-05-01T10:00:03")
        images = [session.get_one(Image, image_id, populate_existing=True) for image_id in trained + tested]
        assert [image.leaked for image in images] == [False, True]
