"""A snapshot can be restricted to the images of a saved view; splits stay as they are, and the view is part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.datasets.queries import snapshot_view
from app.datasets.service import freeze, make_plan
from app.library.filters import ImageFilter
from app.library.views import delete_view, save_view
from tests.factories.datasets import make_class, make_images, make_project

pytestmark = pytest.mark.usefixtures("installation")


def view_of(project_id: int, name: str, **chosen: object) -> int:
    with write() as session:
        kept = ImageFilter(**chosen)
        return save_view(session, project_id=project_id, name=name, chosen=kept, size=None, user_id=None).id


@pytest.fixture
def shelves(installation: Path) -> int:  # noqa: ARG001 - must exist first
    """Two classes of 30 images, 20 of each from camera A."""
    with write() as session:
        project_id = make_project(session)
        for name in ("Apple", "Pear"):
            class_id = make_class(session, project_id, name)
            make_images(session, project_id, 20, class_id, camera="A")
            make_images(session, project_id, 10, class_id, camera="B")
    return project_id


def test_only_images_of_the_view_are_taken_and_the_rest_is_told(shelves: int):
    view_id = view_of(shelves, "Camera A", camera="A")
    with write() as session:
        whole = freeze(session, project_id=shelves, lower=5, upper=100)
        some = freeze(session, project_id=shelves, lower=5, upper=100, view_id=view_id)
        assert (whole.images, some.images) == (60, 40)
        assert freeze(session, project_id=shelves, lower=5, upper=100, view_id=view_id).id == some.id
    with read() as session:
        content = snapshot_view(session, some.id, shelves).content
    assert content.view is not None
    assert (content.view.name, content.view.query) == ("Camera A", "camera=A")
    assert content.left_out == {"outside the view": 20}


def test_a_view_of_everything_is_still_another_snapshot(shelves: int):
    everything = view_of(shelves, "Labelled", state="labelled")
    with read() as session:
        whole = make_plan(session, project_id=shelves, lower=5, upper=100)
        same = make_plan(session, project_id=shelves, lower=5, upper=100, view_id=everything)
    assert len(whole.rows) == len(same.rows) == 60
    assert whole.fingerprint != same.fingerprint


def test_an_image_keeps_its_split_inside_a_view(shelves: int):
    view_id = view_of(shelves, "Camera B", camera="B")
    with write() as session:
        freeze(session, project_id=shelves, lower=5, upper=100)
        plan = make_plan(session, project_id=shelves, lower=5, upper=100, view_id=view_id)
    assert not plan.draw.drawn.any()
    assert len(plan.rows) == 20


def test_an_empty_or_missing_view_is_refused_in_words(shelves: int):
    empty = view_of(shelves, "Nothing", camera="C")
    with write() as session:
        with pytest.raises(InvalidInput, match="needs 5 more"):
            freeze(session, project_id=shelves, lower=5, upper=100, view_id=empty)
        delete_view(session, empty, project_id=shelves)
        with pytest.raises(NotFound):
            make_plan(session, project_id=shelves, lower=5, upper=100, view_id=empty)
