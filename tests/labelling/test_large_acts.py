"""An act on all that match, larger than one transaction takes: parts of one act, resumed after a kill, one undo."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from app.core.clock import now
from app.core.database import write
from app.core.errors import Conflict, Forbidden, InvalidInput
from app.labelling import large_acts, service
from app.labelling.models import LabelAction, LabelEvent
from app.labelling.schemas import LabelRequest
from app.library.counts import kept_counts, recount
from app.library.models import Image
from app.runs.claims import requeue
from app.runs.models import Run
from tests.factories import labelling as make
from worker.execution import RunContext, execute_run

pytestmark = pytest.mark.usefixtures("installation")

COUNT = 2100
"""More than two parts of an act."""


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        made = make.workplace(session)
        make.images(session, made.project_id, COUNT)
        return made


def requested(place: make.Workplace, **asked: Any) -> int:
    chosen = {"filter": "state=pool", "seen_at": now()}
    request = LabelRequest.model_validate({"selection": chosen, "how": "grid", **asked})
    with write() as session:
        return large_acts.request_act(
            session, request, project_id=place.project_id, user_id=place.rita, may_remove_many=False
        )


def states(place: make.Workplace) -> dict[tuple[str, int | None], int]:
    with write() as session:
        counted = kept_counts(session, place.project_id)
        assert counted == recount(session, place.project_id)
        return {(key.state, key.class_id or None): images for key, images in counted.items()}


def one_event_each(session: Any, action_id: int) -> int:
    rows = select(func.count(), func.count(LabelEvent.image_id.distinct())).where(LabelEvent.action_id == action_id)
    events, images = session.execute(rows).one()
    assert events == images
    return int(events)


def result_of(run_id: int) -> dict[str, Any]:
    with write() as session:
        run = session.get_one(Run, run_id, populate_existing=True)
        assert (run.state, run.error_message) == ("succeeded", None)
        return dict(run.result or {})


def label_one(place: make.Workplace, image_id: int, user_id: int) -> None:
    with write() as session:
        service.apply_one_label_to(
            session, project_id=place.project_id, user_id=user_id, image_ids=[image_id], class_id=place.bear
        )


def test_a_killed_act_goes_on_as_one_leaves_what_others_changed_and_is_undone_as_one(place: make.Workplace):
    run_id = requested(place, act="label", class_id=place.lion)

    class Killed(RunContext):
        def progress(self, *args: Any, **more: Any) -> None:
            super().progress(*args, **more)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute_run(run_id, lambda context: large_acts.act(Killed(context.claim)))
    assert states(place) == {("labelled", place.lion): 1000, ("pool", None): COUNT - 1000}
    with write() as session:
        newest, oldest = session.execute(select(func.max(Image.id), func.min(Image.id))).one()
    for image_id in (newest, oldest):
        label_one(place, image_id, place.ben)
    with write() as session:
        run = session.get_one(Run, run_id)
        if run.state == "running":
            requeue(session, run, reason="test")
    execute_run(run_id, large_acts.act)
    done = result_of(run_id)
    assert (done["images"], done["left_as_they_were"]) == (COUNT - 1, 1)
    assert states(place) == {("labelled", place.lion): COUNT - 2, ("labelled", place.bear): 2}
    with write() as session:
        assert one_event_each(session, done["action_id"]) == COUNT - 1
        action = session.get_one(LabelAction, done["action_id"])
        assert (action.summary, [row["image_id"] for row in action.skipped]) == ("Labelled Lion", [oldest])

    with write() as session:
        who: dict[str, Any] = {"project_id": place.project_id, "may_undo_others": False}
        with pytest.raises(Forbidden):
            large_acts.request_undo(session, done["action_id"], user_id=place.ann, **who)
        undo_id = large_acts.request_undo(session, done["action_id"], user_id=place.rita, **who)
    execute_run(undo_id, large_acts.undo_large)
    undone = result_of(undo_id)
    assert (undone["images"], undone["left_as_they_were"]) == (COUNT - 2, 1)
    assert states(place) == {("pool", None): COUNT - 2, ("labelled", place.bear): 2}
    with write() as session, pytest.raises(Conflict):
        service.undo(session, done["action_id"], user_id=place.rita, **who)


def test_what_it_does_not_take(place: make.Workplace):
    with pytest.raises(Forbidden):
        requested(place, act="remove")
    with pytest.raises(InvalidInput):
        requested(place, act="unknown", selection={"image_ids": [1]})
    assert states(place) == {("pool", None): COUNT}
