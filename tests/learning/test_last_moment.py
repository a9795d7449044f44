"""What changes between the snapshot of a run and its last moment: the run keeps to its snapshot, and registers once."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from app.core.database import read, write
from app.labelling.models import LabelClass
from app.library.models import Image
from app.registry.models import ModelVersion, VersionClass
from app.runs import claims
from app.runs.models import Run, RunState
from app.training.models import Epoch
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from tests.factories.runs import reread
from tests.factories.training import project_of_photos, trained_again
from worker.execution import RunContext, execute_run
from worker.tasks.training_steps import train_version

pytestmark = pytest.mark.usefixtures("installation")


class _LosesItsLease(RunContext):
    """Another worker is given the run once everything is made, right before it is registered."""

    def progress(self, done: int, total: int, note: str = "", **live: object) -> None:
        if note != "Checking what was exported":
            super().progress(done, total, note, **live)
            return
        with write() as session:
            assert claims.requeue(session, session.get_one(Run, self.run_id), reason="its lease ran out")


def versions() -> int:
    with read() as session:
        return session.scalar(select(func.count()).select_from(ModelVersion)) or 0


def test_a_run_that_loses_its_lease_at_the_very_end_registers_nothing_and_the_next_attempt_once():
    project_id, classes = project_of_photos({"Apple": 12, "Melon": 12})
    asked = {"start": "random", "trunk": "compact_cnn", "input_size": 32, "epochs": 2, "batch_size": 8}
    run_id = start_training(TrainingRequest.model_validate({"project_id": project_id, **asked}))
    gone = {"rendition_pack": None, "rendition_offset": None, "rendition_length": None}
    with write() as session:
        apples = select(Image.id).where(Image.class_id == classes["Apple"], Image.split == "train").limit(2)
        session.execute(update(Image).where(Image.id.in_(session.scalars(apples).all())).values(**gone))
        session.execute(update(LabelClass).where(LabelClass.id == classes["Melon"]).values(name="Honeydew"))
    execute_run(run_id, lambda context: train_version(_LosesItsLease(context.claim)))
    lost = reread(run_id)
    assert (lost.state, lost.attempt, lost.result, versions()) == (RunState.QUEUED, 1, None, 0)

    done = trained_again(run_id)
    assert (done.state, versions()) == (RunState.SUCCEEDED, 1), done.error_message
    with read() as session:
        numbers = session.scalars(select(Epoch.number).where(Epoch.run_id == run_id).order_by(Epoch.number)).all()
        followed = session.scalars(select(Run.kind).where(Run.follows_run_id == run_id)).all()
        names = session.scalars(select(VersionClass.name).order_by(VersionClass.position)).all()
    assert (numbers, followed) == ([1, 2], ["evaluation.evaluate"])
    assert names == ["Apple", "Melon"], "as the snapshot froze them"
    assert any("Went on after epoch 2" in note for note in done.result["notes"])
    assert any("2 images are no longer at hand" in note for note in done.result["notes"])
