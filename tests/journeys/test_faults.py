"""kill -9 in the middle, late and double delivery, a broker that goes away: each ends as an undisturbed run does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from app.core.database import read, write
from app.embeddings.models import Embedding, EmbeddingShard
from app.library.models import Image, ImageCount, ImageSource
from app.predictions.models import Prediction, ScoringJob
from app.registry.models import ModelVersion
from app.runs.broker import announce
from app.runs.models import Run, RunState, RunTransition
from app.training.models import Epoch
from tests.journeys.installation import Installation, is_running, newest_run, wait_until, worker_process

pytestmark = pytest.mark.journey
TRAIN = (
    "train",
    "--start",
    "random",
    "--trunk",
    "compact_cnn",
    "--input-size",
    "64",
    "--lower",
    "10",
    "--epochs",
    "12",
)


def _result_of(command: subprocess.Popen[str]) -> dict[str, object]:
    out, err = command.communicate(timeout=240)
    assert command.returncode == 0, (out[-1000:], err[-1000:])
    found: dict[str, object] = json.loads(out)
    return found


def _epochs(run_id: int) -> list[int]:
    with read() as session:
        return list(session.scalars(select(Epoch.number).where(Epoch.run_id == run_id).order_by(Epoch.number)))


def _predictions(job_id: int) -> list[tuple[object, ...]]:
    columns = [column for column in Prediction.__table__.columns if column.name != "job_id"]
    with read() as session:
        return [
            tuple(row)
            for row in session.execute(
                select(*columns).where(Prediction.job_id == job_id).order_by(Prediction.image_id)
            )
        ]


def _accuracies(result: dict[str, object]) -> dict[str, tuple[float, int]]:
    figures = result["then"][0]["result"]["figures"]  # type: ignore[index]
    return {name: (row["accuracy"], row["images"]) for name, row in figures.items()}


def test_a_trainer_killed_in_mid_training_goes_on_from_its_last_epoch(family: Installation, labelled: Path):
    family.command("import", str(labelled), "--project", "fruit")
    undisturbed = family.command(*TRAIN)
    started_after = undisturbed["run"]
    command = family.in_background(*TRAIN, "--again")
    run = wait_until(lambda: is_running("training.train", after=started_after))
    wait_until(lambda: len(_epochs(run.id)) >= 3)
    seen = len(_epochs(run.id))
    stored = newest_run("training.train")
    assert stored is not None
    os.kill(worker_process(stored), signal.SIGKILL)
    disturbed = _result_of(command)
    assert disturbed["run"] == run.id
    assert _epochs(run.id) == _epochs(undisturbed["run"]) == list(range(1, 13))
    with read() as session:
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 2
        reasons = list(session.scalars(select(RunTransition.reason).where(RunTransition.run_id == run.id)))
        attempts = session.get_one(Run, run.id).attempt
    assert attempts == 1, reasons
    assert seen < 12
    for name, (accuracy, images) in _accuracies(disturbed).items():
        expected, _ = _accuracies(undisturbed)[name]
        assert abs(accuracy - expected) <= 2 * (0.25 / images) ** 0.5 * 1.96, (name, accuracy, expected)


def test_identification_killed_delivered_twice_and_without_a_broker_gives_the_same_values(
    family: Installation, labelled: Path, pool: Path
):
    family.command("import", str(labelled), "--project", "fruit")
    family.command("import", str(pool), "--unlabelled")
    family.command(*TRAIN[:-1], "2")
    undisturbed = family.command("identify", "--version", "1")
    wanted = _predictions(undisturbed["result"]["job_id"])
    assert len(wanted) == 90

    after = undisturbed["run"]
    _forget_embeddings()
    command = family.in_background("identify", "--version", "1")
    run = wait_until(lambda: is_running("identification.identify", after=after))
    os.kill(worker_process(run), signal.SIGKILL)
    killed = _result_of(command)
    assert _predictions(_job_of(int(str(killed["run"])))) == wanted

    announce(int(str(killed["run"])), kind="identification.identify", queue="identify")
    announce(int(str(killed["run"])), kind="identification.identify", queue="identify")
    command = family.in_background("identify", "--version", "1")
    broker = next(pid for pid, words in family.children().items() if "broker.sock" in words)
    os.kill(broker, signal.SIGKILL)
    without_broker = _result_of(command)
    assert _predictions(_job_of(int(str(without_broker["run"])))) == wanted
    with read() as session:
        ended = session.scalars(select(Run.state).where(Run.kind == "identification.identify")).all()
        jobs = session.scalar(
            select(func.count()).select_from(ScoringJob).where(ScoringJob.purpose == "identification")
        )
    assert set(ended) == {RunState.SUCCEEDED}
    assert jobs == len(ended)


def _job_of(run_id: int) -> int:
    with read() as session:
        return session.scalars(select(ScoringJob.id).where(ScoringJob.run_id == run_id)).one()


def _forget_embeddings() -> None:
    """Drop the index, so that the next identification has to embed again and takes long enough to be killed."""
    with write() as session:
        session.execute(delete(Embedding))
        session.execute(delete(EmbeddingShard))


def test_an_import_killed_in_the_middle_ends_with_every_image_once(family: Installation, labelled: Path):
    command = family.in_background("import", str(labelled), "--project", "fruit")
    run = wait_until(lambda: is_running("library.import"))
    os.kill(worker_process(run), signal.SIGKILL)
    result = _result_of(command)
    assert result["state"] == RunState.SUCCEEDED
    with read() as session:
        images = session.scalar(select(func.count()).select_from(Image))
        sources = session.scalar(select(func.count()).select_from(ImageSource))
        labelled_count = session.scalar(select(func.sum(ImageCount.images)).where(ImageCount.state == "labelled"))
    assert (images, sources, labelled_count) == (72, 72, 72)
