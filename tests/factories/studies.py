"""Studies and trials that have ended, without the minutes that training them would take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import insert, select, update

from app.core.clock import now
from app.core.database import read, write
from app.runs.models import Run, RunState
from app.studies.models import Trial
from app.studies.schemas import SEARCHABLE, StudyRequest
from app.studies.service import begin_study
from app.studies.work import advance
from app.training.models import Epoch
from app.training.schemas import TrainingChoices

SEARCHED = ("learning_rate", "dropout", "batch_size")


def study_request(**values: object) -> StudyRequest:
    """A small study of a head over three settings."""
    whole = {
        "name": "Heads",
        "base": TrainingChoices(start="head_only"),
        "space": tuple(SEARCHABLE[name].dimension for name in SEARCHED),
        "most_trials": 8,
        **values,
    }
    return StudyRequest.model_validate(whole)


def report_epochs(run_id: int, accuracies: list[float]) -> None:
    """What a run's epochs came to so far; the best one is kept."""
    best = max(accuracies)
    figures = {"loss": 0.4, "accuracy": 0.8, "validation_loss": 0.5, "learning_rate": 1e-3, "seconds": 1.0}
    rows = [
        {
            "run_id": run_id,
            "number": number,
            "validation_accuracy": accuracy,
            "images_per_second": 90.0,
            "is_best": accuracy == best,
            **figures,
        }
        for number, accuracy in enumerate(accuracies, 1)
    ]
    with write() as session:
        session.execute(insert(Epoch), rows)
        session.execute(update(Run).where(Run.id == run_id).values(state=RunState.RUNNING, started_at=now()))


def end_run(run_id: int, state: RunState = RunState.SUCCEEDED) -> None:
    """The run ends, ten seconds after it started."""
    with write() as session:
        ends = {"state": state, "started_at": now(), "finished_at": now() + timedelta(seconds=10)}
        session.execute(update(Run).where(Run.id == run_id).values(**ends))


def written_study(project_id: int, user_id: int, named: Callable[[str], str]) -> int:
    """A study with two complete trials and one under way, among images of two classes or more; its id."""
    base = TrainingChoices(start="random", trunk="compact_cnn", input_size=32, lower=2, epochs=1)
    study_id = begin_study(study_request(name=named("study"), base=base), project_id=project_id, user_id=user_id)
    for accuracy in (0.5, 0.7):
        advance(study_id)
        with read() as session:
            run_id = session.scalars(
                select(Trial.run_id).where(Trial.study_id == study_id, Trial.state == "running")
            ).one()
        report_epochs(run_id, [accuracy])
        end_run(run_id)
    advance(study_id)
    return study_id
