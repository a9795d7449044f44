"""Pixels for training come in order and turned; a rendition that was lost is made again."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import NotFound
from app.core.storage import get_storage
from app.imaging.model_input import to_pixels
from app.library.intake import take_in
from app.library.models import Image, Origin
from app.library.renditions import read_pixels, rendition_bytes
from app.library.service import change_images
from tests.factories import labelling
from tests.factories.library import add_images, intake_file
from tests.photos import photos


@pytest.fixture
def ids(installation: Path) -> list[int]:  # noqa: ARG001 - must exist first
    files = [intake_file(f"{n}.jpg", photo.image_bytes) for n, photo in enumerate(photos(4))]
    with write() as session:
        project_id = labelling.project(session)
        intake = take_in(session, project_id=project_id, batch_id=None, origin=Origin.REAL, files=files)
        change_images(session, [intake.image_ids[files[2].digest]], project_id=project_id, rotation=90)
    return [intake.image_ids[file.digest] for file in files]


def test_pixels_come_in_the_order_asked_for_turned_as_reviewed(ids: list[int]):
    asked = ids[::-1]
    found = dict(read_pixels(asked, 64))
    assert list(found) == asked
    with read() as session:
        for image_id in ids:
            rotation = 90 if image_id == ids[2] else 0
            expected = to_pixels(rendition_bytes(session, image_id), size=64, rotation=rotation)
            assert np.array_equal(found[image_id], expected)


def test_images_without_a_picture_are_left_out(ids: list[int]):
    with write() as session:
        project_id = session.scalars(select(Image.project_id).limit(1)).one()
        bare = add_images(session, project_id, state="quarantined")
    assert [image_id for image_id, _ in read_pixels([*bare, *ids, 999_999], 32)] == ids
    with read() as session, pytest.raises(NotFound):
        rendition_bytes(session, bare[0])


@pytest.mark.parametrize("damage", ["gone", "zeros", "short"])
def test_a_lost_rendition_is_made_again_from_the_original(ids: list[int], damage: str):
    before = dict(read_pixels(ids, 64))
    for pack in (get_storage().root / "packs").iterdir():
        if damage == "gone":
            pack.unlink()
        else:
            pack.write_bytes(bytes(pack.stat().st_size) if damage == "zeros" else b"")
    after = dict(read_pixels(ids, 64))
    assert all(np.array_equal(before[image_id], after[image_id]) for image_id in ids)
    with read() as session:
        assert rendition_bytes(session, ids[0], "thumbnail").startswith(b"\xff\xd8")


def test_an_image_whose_original_is_gone_too_is_left_out(ids: list[int]):
    for pack in (get_storage().root / "packs").iterdir():
        pack.unlink()
    with read() as session:
        digest = session.get_one(Image, ids[0]).sha256
    get_storage().blob_path(digest).unlink()
    assert [image_id for image_id, _ in read_pixels(ids, 32)] == ids[1:]
