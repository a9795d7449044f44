"""Usable images of a few classes, counted without reading the library."""

import pytest

from app.core.database import read, write
from app.datasets.service import draw_splits, preview
from app.datasets.usable import usable_images
from tests.factories import datasets as made

pytestmark = pytest.mark.usefixtures("installation")


def test_a_few_classes_are_counted_as_the_whole_library_is():
    with write() as session:
        project_id = made.make_project(session)
        rare, twin, other = (made.make_class(session, project_id) for _ in range(3))
        duplicates, session_of_many = (
            made.make_duplicate_group(session, project_id),
            made.make_capture_group(session, project_id),
        )
        made.make_images(session, project_id, 9, rare)
        made.make_images(session, project_id, 2, rare, is_small_subject=True)
        made.make_images(session, project_id, 3, rare, origin="staged")
        made.make_images(session, project_id, 1, rare, quality="blurred")
        # Two groups away from a benchmark image, by an image of another class.
        made.make_images(session, project_id, 2, rare, duplicate_group_id=duplicates)
        made.make_images(session, project_id, 1, other, duplicate_group_id=duplicates, capture_group_id=session_of_many)
        made.make_images(session, project_id, 1, capture_group_id=session_of_many, in_benchmark=True)
        made.make_images(session, project_id, 20, other)
        made.make_images(session, project_id, 4, twin, split="test", capture_group_id=session_of_many)
    asked = [rare, twin, 10**6]
    for _ in range(2):
        with read() as session:
            shown = preview(session, project_id, 1, 300, include_small=True)
            whole = {each.class_id: each.usable for each in shown.classes}
            assert usable_images(session, project_id, asked, include_small=True) == {
                class_id: whole[class_id] for class_id in (rare, twin)
            }
            assert usable_images(session, project_id, asked)[rare] == 12
        with write() as session:
            draw_splits(session, project_id)
