"""A student learns from a teacher's answers, on labelled images and on the pool's, through the task's own function."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from app.core.database import read
from app.core.errors import InvalidInput
from app.datasets.models import TaughtImage
from app.library.models import Image
from app.registry.models import ModelVersion
from app.runs.models import RunState
from app.training.models import RunLogLine
from app.training.schemas import TrainingChoices, TrainingRequest
from app.training.service import start_training
from tests.factories.registry import tiny_version
from tests.factories.training import add_photos, project_of_photos, trained
from tests.photos import photos

pytestmark = pytest.mark.usefixtures("installation")
QUICK = {"trunk": "compact_cnn", "input_size": 32, "epochs": 2, "batch_size": 8}


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"start": "random", "teacher_share": 0.5}, "needs a teacher"),
        ({"start": "random", "pool_images": 5}, "needs a teacher"),
        ({"start": "head_only", "teacher_version_id": 1}, "no use for a teacher"),
        ({"start": "random", "teacher_version_id": 1, "pool_images": 9, "balance": "sampling"}, "no class to balance"),
    ],
)
def test_what_makes_no_sense_is_refused(choices: dict[str, object], said: str):
    with pytest.raises(ValidationError, match=said):
        TrainingChoices.model_validate(choices)


def test_a_throwaway_never_teaches():
    project_id, _ = project_of_photos({"Apple": 9, "Melon": 9})
    teacher = tiny_version(project_id, ["Apple", "Melon"], throwaway=True)
    with pytest.raises(InvalidInput, match="never teaches"):
        start_training(TrainingRequest(project_id=project_id, start="random", teacher_version_id=teacher.id, **QUICK))


def test_a_student_learns_from_labels_and_from_the_pool():
    project_id, _ = project_of_photos({"Apple": 14, "Melon": 14})
    pool = add_photos(project_id, photos(10, label="Pear"), state="pool")
    teacher = trained(project_id, start="random", **QUICK)
    asked = {"teacher_version_id": teacher.result["version_id"], "pool_images": 8, "seed": 1}
    student = trained(project_id, start="random", **QUICK, **asked)
    assert student.state == RunState.SUCCEEDED, student.error_message
    with read() as session:
        version = session.scalars(select(ModelVersion).where(ModelVersion.run_id == student.id)).one()
        taught = list(session.scalars(select(TaughtImage.image_id).where(TaughtImage.run_id == student.id)))
        sides = set(session.scalars(select(Image.split).where(Image.id.in_(taught))))
        log = " ".join(session.scalars(select(RunLogLine.text).where(RunLogLine.run_id == student.id)))
    assert (version.lineage["teacher_number"], version.lineage["taught_images"]) == (1, 8)
    assert version.card["settings"]["teacher_share"] == 0.7
    assert sorted(taught) == pool[-8:]
    assert sides == {"train"}
    assert "Version 1 teaches, 8 images of the pool among what it answers for." in log
