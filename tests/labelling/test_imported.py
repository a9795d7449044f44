"""Labels that imports bring, and conflicts that a reviewer settles."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.clock import now
from app.core.database import write
from app.core.errors import Conflict, NotFound
from app.labelling import service
from app.labelling.conflicts import take_new_label
from app.labelling.models import LabelAction
from app.labelling.schemas import Act, LabelRequest
from app.library.models import LabelConflict
from tests.factories import labelling as make


@pytest.fixture
def place(installation: Path) -> make.Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return make.workplace(session)


def test_an_import_labels_what_is_in_the_pool_and_makes_the_classes(place: make.Workplace):
    with write() as session:
        first, second = make.images(session, place.project_id, 2)
        (settled,) = make.images(session, place.project_id, 1, start=2, state="none")
        rows = [(first, "Lion", "cub"), (second, " Snow  leopard", None), (settled, "Lion", None)]
        assert service.label_imported(session, place.project_id, place.rita, rows) == 2
        image = make.image(session, first)
        assert (image.class_id, image.sub_class_id) == (place.lion, place.cub)
        snow = service.ensure_class(session, place.project_id, "Snow leopard")
        assert make.image(session, second).class_id == snow[0]
        assert make.image(session, settled).state == "none"
        assert make.history(session, first)[0].how == "import"


def test_the_batches_of_an_import_are_one_act_that_undo_takes_back(place: make.Workplace):
    with write() as session:
        image_ids = make.images(session, place.project_id, 4)
    for some in (image_ids[:2], image_ids[2:], image_ids[2:]):
        with write() as session:
            rows = [(image_id, "Lion", None) for image_id in some]
            service.label_imported(session, place.project_id, place.rita, rows, batch_id=7, batch_name="shelf")
    with write() as session:
        action = session.scalars(select(LabelAction).where(LabelAction.kind == "import")).one()
        assert (action.images, action.summary) == (4, "Imported labels: shelf")
        undone = service.undo(session, action.id, project_id=place.project_id, user_id=place.rita, may_undo_others=True)
        assert undone.changed == 4
        rows = [(image_ids[0], "Tiger", None)]
        assert service.label_imported(session, place.project_id, place.rita, rows, batch_id=7) == 1
        assert make.image(session, image_ids[0]).class_id == place.tiger


def conflict(place: make.Workplace, image_id: int, class_name: str, sub_class_name: str = "") -> int:
    with write() as session:
        row = LabelConflict(
            project_id=place.project_id,
            image_id=image_id,
            class_name=class_name,
            sub_class_name=sub_class_name,
            created_at=now(),
        )
        session.add(row)
        session.flush()
        return row.id


def test_a_reviewer_takes_the_new_label_once_and_can_undo_it(place: make.Workplace):
    with write() as session:
        (image_id,) = make.images(session, place.project_id, 1)
        service.label_imported(session, place.project_id, place.rita, [(image_id, "Tiger", None)])
    open_id = conflict(place, image_id, "Lion", "cub")
    with write() as session:
        taken = take_new_label(session, open_id, project_id=place.project_id, user_id=place.rita)
        image = make.image(session, image_id)
        assert (image.class_id, image.sub_class_id, image.is_reviewed) == (place.lion, place.cub, True)
        with pytest.raises(NotFound):
            take_new_label(session, open_id, project_id=place.project_id, user_id=place.rita)
    with write() as session:
        service.undo(session, taken.action_id, project_id=place.project_id, user_id=place.rita, may_undo_others=True)
        assert make.image(session, image_id).class_id == place.tiger


def test_a_removed_image_takes_no_new_label_and_the_conflict_stays_open(place: make.Workplace):
    with write() as session:
        (image_id,) = make.images(session, place.project_id, 1)
        request = LabelRequest(image_ids=[image_id], act=Act.REMOVE)
        service.act_on(session, request, project_id=place.project_id, user_id=place.ann, may_remove_many=False)
    open_id = conflict(place, image_id, "Lion")
    with pytest.raises(Conflict, match="restore it first"), write() as session:
        take_new_label(session, open_id, project_id=place.project_id, user_id=place.rita)
    with write() as session:
        assert session.get_one(LabelConflict, open_id).settled_at is None
