"""Studies for pages, API and the sampler: trials with their scores by epoch, and how far the budget is spent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.core.database import Json
from app.registry.models import ModelVersion
from app.runs.models import Run
from app.studies.models import Study, Trial
from app.studies.schemas import PastTrial
from app.training.models import Epoch


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is. `seconds` are those of ended trials together."""

    started: int
    running: int
    seconds: float
    failures_in_a_row: int


@dataclass(frozen=True, slots=True)
class StudyLine:
    """A study in the list."""

    id: int
    name: str
    state: str
    objective: str
    trials: int
    most_trials: int
    best: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A trial in the table of a study."""

    number: int
    state: str
    settings: Json
    score: float | None
    seconds: float
    run_id: int
    run_state: str
    epochs: int
    version_number: int | None


def past_trials(session: Session, study: Study) -> list[PastTrial]:
    """All trials by number, with the objective after each epoch; the score is that of the epoch which is kept."""
    trials = session.execute(
        select(Trial.number, Trial.state, Trial.settings, Trial.run_id)
        .where(Trial.study_id == study.id)
        .order_by(Trial.number)
    ).all()
    value = Epoch.validation_accuracy if study.objective == "validation_accuracy" else Epoch.validation_loss
    steps: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    kept: dict[int, float] = {}
    of_study = select(Trial.run_id).where(Trial.study_id == study.id)
    rows = select(Epoch.run_id, Epoch.number, value, Epoch.is_best).where(
        Epoch.run_id.in_(of_study), value.is_not(None)
    )
    for run_id, number, found, is_best in session.execute(rows.order_by(Epoch.run_id, Epoch.number)):
        score = float(found or 0.0)
        steps[run_id].append((number, score))
        if is_best:
            kept[run_id] = score
    return [
        PastTrial(number, state, settings, kept.get(run_id), tuple(steps[run_id]))
        for number, state, settings, run_id in trials
    ]


def progress_of(session: Session, study: Study) -> Progress:
    """The budget spent, and the failures since somebody let the study go on."""
    trials = session.execute(
        select(Trial.state, Trial.seconds, Trial.created_at).where(Trial.study_id == study.id).order_by(Trial.number)
    ).all()
    failures = 0
    for state, _, created_at in reversed(trials):
        if state == "running":
            continue
        if state != "failed" or (study.resumed_at is not None and created_at < study.resumed_at):
            break
        failures += 1
    running = sum(state == "running" for state, _, _ in trials)
    return Progress(len(trials), running, sum(seconds for _, seconds, _ in trials), failures)


def list_studies(session: Session, project_id: int) -> list[StudyLine]:
    """Studies of a project, the newest first."""
    complete = case((Trial.state == "complete", Trial.score))
    rows = session.execute(
        select(Study, func.count(Trial.id), func.max(complete), func.min(complete))
        .outerjoin(Trial, Trial.study_id == Study.id)
        .where(Study.project_id == project_id)
        .group_by(Study.id)
        .order_by(Study.id.desc())
    ).all()
    return [
        StudyLine(
            study.id,
            study.name,
            study.state,
            study.objective,
            count,
            study.most_trials,
            highest if study.objective == "validation_accuracy" else lowest,
            study.created_at,
        )
        for study, count, highest, lowest in rows
    ]


def trial_lines(session: Session, study_id: int) -> list[TrialLine]:
    """Trials of a study, by number."""
    epochs = select(func.count()).where(Epoch.run_id == Trial.run_id).scalar_subquery()
    rows = session.execute(
        select(Trial, Run.state, epochs, ModelVersion.number)
        .join(Run, Run.id == Trial.run_id)
        .outerjoin(ModelVersion, ModelVersion.run_id == Trial.run_id)
        .where(Trial.study_id == study_id)
        .order_by(Trial.number)
    ).all()
    return [
        TrialLine(
            trial.number,
            trial.state,
            trial.settings,
            trial.score,
            trial.seconds,
            trial.run_id,
            run_state,
            count,
            number,
        )
        for trial, run_state, count, number in rows
    ]
