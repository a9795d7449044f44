"""Pool images that teach: on training's side for ever, chosen once, and known as seen."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.database import read, write
from app.datasets.queries import exposed
from app.datasets.service import freeze
from app.datasets.teaching import take_from_pool, taught_images
from app.library.models import Image
from tests.factories.datasets import (
    make_capture_group,
    make_class,
    make_duplicate_group,
    make_images,
    make_project,
)
from tests.factories.runs import queued_run

pytestmark = pytest.mark.usefixtures("installation")


def change(session: Session, image_ids: list[int], **values: object) -> None:
    session.execute(update(Image).where(Image.id.in_(image_ids)).values(**values))


def test_only_images_that_may_train_teach_and_they_stay_on_trainings_side():
    with write() as session:
        project_id = make_project(session, lower_cutoff=5, upper_cutoff=50)
        for _ in range(2):
            labelled = make_images(session, project_id, 20, make_class(session, project_id))
        snapshot_id = freeze(session, project_id=project_id, lower=5, upper=50).id
    with write() as session:
        pool = make_images(session, project_id, 12)
        test_image = session.scalars(
            select(Image.id).where(Image.id.in_(labelled), Image.split == "test").limit(1)
        ).one()
        burst, pair = make_capture_group(session, project_id), make_duplicate_group(session, project_id)
        change(session, [pool[0], test_image], capture_group_id=burst)
        change(session, [pool[1], pool[2]], duplicate_group_id=pair)
        change(session, [pool[2]], in_benchmark=True)
        change(session, [pool[3]], quality="blurred")
    run_id = queued_run()
    taken = take_from_pool(project_id, run_id=run_id, snapshot_id=snapshot_id, most=5)
    assert taken == pool[-5:]
    assert take_from_pool(project_id, run_id=run_id, snapshot_id=snapshot_id, most=5) == taken
    assert take_from_pool(project_id, run_id=run_id, snapshot_id=snapshot_id, most=100) == pool[4:]
    with read() as session:
        assert taught_images(session, run_id) == 8
        sides = dict(session.execute(select(Image.id, Image.split).where(Image.id.in_(pool))).all())
        assert exposed(session, [snapshot_id], pool) == set(pool[4:])
    assert sorted(image_id for image_id, split in sides.items() if split == "train") == pool[4:]
