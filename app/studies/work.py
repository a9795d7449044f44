"""One turn of every running study: settle what ended, give up the hopeless, start what the budget allows.

Called again and again by beat, on any worker. A turn that is killed leaves whole trials: a trial's row and its run are
one transaction, guarded by the study's count of turns, so that two workers never start the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, read, write
from app.core.errors import Conflict, WinnowError
from app.registry.models import ModelVersion
from app.runs.models import Run, RunState
from app.runs.service import request_cancel, request_run
from app.studies.models import Study, Trial
from app.studies.queries import past_trials, progress_of
from app.studies.schemas import Dimension, Objective, PastTrial, apply
from app.studies.service import KIND_OF_EVALUATION
from app.training.schemas import TrainingChoices, TrainingRequest
from app.training.service import request_training

MOST_FAILURES: Final = 4
"""Trials that fail one after the other before the study waits for a person."""
_ENDED: Final = {RunState.SUCCEEDED: "complete", RunState.FAILED: "failed", RunState.CANCELLED: "failed"}
_ENDED_RUNS: Final = tuple(state.value for state in _ENDED)
_EVALUATES: Final = "Evaluate the best version of a study"
_SECONDS_AN_HOUR: Final = 3600


@dataclass(frozen=True)
class _Look:
    """A study as one turn sees it, detached from any session."""

    id: int
    project_id: int
    turns: int
    objective: Objective
    base: TrainingChoices
    space: tuple[Dimension, ...]
    most_trials: int
    most_seconds: float | None
    at_once: int
    prunes: bool
    seed: int
    created_by: int | None


def advance_all() -> int:
    """A turn of each running study; the number of trials started."""
    with read() as session:
        running = session.scalars(select(Study.id).where(Study.state == "running").order_by(Study.id)).all()
    return sum(advance(study_id) for study_id in running)


def advance(study_id: int) -> int:
    """A turn of one study; the number of trials started."""
    _settle(study_id)
    with read() as session:
        study = session.get_one(Study, study_id)
        if study.state != "running":
            return 0
        look, past = _look(study), past_trials(session, study)
        progress = progress_of(session, study)
    if look.prunes:
        _give_up_hopeless(look, past)
    if progress.failures_in_a_row >= MOST_FAILURES:
        _wait_for_person(look, f"The last {MOST_FAILURES} trials failed: see their runs, then let the study go on.")
        return 0
    is_spent = progress.started >= look.most_trials or (
        look.most_seconds is not None and progress.seconds >= look.most_seconds
    )
    if is_spent:
        if not progress.running:
            _end(look, past)
        return 0
    wanted = min(look.at_once - progress.running, look.most_trials - progress.started)
    return _start(look, past, wanted)


def _look(study: Study) -> _Look:
    return _Look(
        id=study.id,
        project_id=study.project_id,
        turns=study.turns,
        objective="validation_accuracy" if study.objective == "validation_accuracy" else "validation_loss",
        base=TrainingChoices.model_validate(study.base),
        space=tuple(Dimension.model_validate(each) for each in study.space),
        most_trials=study.most_trials,
        most_seconds=None if study.most_hours is None else study.most_hours * _SECONDS_AN_HOUR,
        at_once=study.at_once,
        prunes=study.prunes,
        seed=study.seed,
        created_by=study.created_by,
    )


def _settle(study_id: int) -> None:
    """Trials whose runs have ended get their outcome."""
    with read() as session:
        study = session.get_one(Study, study_id)
        past = {each.number: each for each in past_trials(session, study)}
        ended = session.execute(
            select(Trial.id, Trial.number, Run.state, Run.started_at, Run.finished_at)
            .join(Run, Run.id == Trial.run_id)
            .where(Trial.study_id == study_id, Trial.state == "running", Run.state.in_(_ENDED_RUNS))
        ).all()
    if not ended:
        return
    with write() as session:
        for trial_id, number, run_state, started_at, finished_at in ended:
            score = past[number].score
            state = _ENDED[RunState(run_state)] if score is not None else "failed"
            seconds = _seconds(started_at, finished_at)
            session.execute(
                update(Trial)
                .where(Trial.id == trial_id, Trial.state == "running")
                .values(state=state, score=score, seconds=seconds, ended_at=now())
            )


def _seconds(started_at: datetime | None, finished_at: datetime | None) -> float:
    return (finished_at - started_at).total_seconds() if started_at and finished_at else 0.0


def _give_up_hopeless(look: _Look, past: Sequence[PastTrial]) -> None:
    """Cancels the runs of trials that do worse than half of the complete ones did at the same epoch."""
    from app.studies.sampling import FEWEST_BEFORE_PRUNING, is_hopeless

    if sum(trial.state == "complete" for trial in past) < FEWEST_BEFORE_PRUNING:
        return
    warm_up = max(1, look.base.settings().patience // 3)
    for trial in past:
        if trial.state != "running" or not trial.steps:
            continue
        if not is_hopeless(look.space, past, trial.number, objective=look.objective, warm_up=warm_up):
            continue
        with write() as session:
            run_id = session.scalar(
                update(Trial)
                .where(Trial.study_id == look.id, Trial.number == trial.number, Trial.state == "running")
                .values(state="pruned", score=trial.score, ended_at=now())
                .returning(Trial.run_id)
            )
            run = session.get(Run, run_id) if run_id is not None else None
            if run is not None and run.state in {RunState.QUEUED, RunState.RUNNING}:
                request_cancel(session, run.id, look.project_id)


def _start(look: _Look, past: Sequence[PastTrial], wanted: int) -> int:
    """Starts up to `wanted` trials, each in a transaction of its own."""
    from app.studies.sampling import suggest

    known, turns = list(past), look.turns
    for count in range(wanted):
        settings = suggest(look.space, known, objective=look.objective, seed=look.seed)
        number = len(known) + 1
        try:
            with write() as session:
                if not _takes_turn(session, look.id, turns):
                    return count
                session.add(
                    Trial(
                        study_id=look.id,
                        number=number,
                        run_id=_run_of(session, look, settings),
                        settings=settings,
                        created_at=now(),
                    )
                )
        except WinnowError as refused:
            _wait_for_person(look, f"A trial could not start: {refused.message}")
            return count
        known.append(PastTrial(number, "running", settings, None))
        turns += 1
    return wanted


def _takes_turn(session: Session, study_id: int, turns: int) -> bool:
    taken = session.execute(
        update(Study)
        .where(Study.id == study_id, Study.turns == turns, Study.state == "running")
        .values(turns=turns + 1)
        .returning(Study.id)
    )
    return taken.first() is not None


def _run_of(session: Session, look: _Look, settings: Json) -> int:
    """The run that tries these settings: a new one, or the identical one that is there."""
    choices = apply(look.base, settings)
    request = TrainingRequest(**choices.model_dump(), project_id=look.project_id, created_by=look.created_by)
    try:
        return request_training(session, request, is_evaluated=False)
    except Conflict as refused:
        if refused.code != "identical_run":
            raise
        return int(str(refused.detail["run_id"]))


def _wait_for_person(look: _Look, note: str) -> None:
    with write() as session:
        session.execute(
            update(Study).where(Study.id == look.id, Study.state == "running").values(state="paused", note=note)
        )


def _end(look: _Look, past: Sequence[PastTrial]) -> None:
    """Says what mattered, and has the best version evaluated like any other."""
    from app.studies.sampling import importance_of

    importance = importance_of(look.space, past, objective=look.objective)
    with write() as session:
        ended = session.execute(
            update(Study)
            .where(Study.id == look.id, Study.state == "running")
            .values(state="ended", importance=importance, ended_at=now())
            .returning(Study.id)
        )
        if ended.first() is None:
            return
        best = best_of(past, look.objective)
        version_id = _version_of(session, look.id, best.number) if best else None
        if version_id is not None:
            request_run(
                session,
                project_id=look.project_id,
                kind=KIND_OF_EVALUATION,
                title=_EVALUATES,
                parameters={"version_id": version_id},
                created_by=look.created_by,
            )


def _version_of(session: Session, study_id: int, number: int) -> int | None:
    return session.scalar(
        select(ModelVersion.id)
        .join(Trial, Trial.run_id == ModelVersion.run_id)
        .where(Trial.study_id == study_id, Trial.number == number)
    )


def best_of(past: Sequence[PastTrial], objective: Objective) -> PastTrial | None:
    """The complete trial with the best score; the earlier one of equals."""
    complete = [trial for trial in past if trial.state == "complete" and trial.score is not None]
    sign = -1 if objective == "validation_accuracy" else 1
    return min(complete, key=lambda trial: (sign * (trial.score or 0.0), trial.number), default=None)
