"""What people ask of a study: begin, pause, go on, end. Its trials are started by `work.py`."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.studies.models import Study, Trial
from app.studies.schemas import StudyRequest
from app.training.schemas import TrainingRequest
from app.training.service import freeze_snapshot, plan_for

KIND_OF_EVALUATION = "evaluation.evaluate"


def begin_study(request: StudyRequest, *, project_id: int, user_id: int | None) -> int:
    """Freezes the snapshot that all trials train on and begins; returns the study's id.

    Raises InvalidInput (a search that no run would take, a throw-away, a snapshot without validation images), NotFound
    (parent, snapshot) and Conflict (a name that is taken).
    """
    request.check()
    if request.base.purpose != "normal":
        raise InvalidInput("A study looks for the settings of versions that can be promoted; received a throw-away.")
    asked = TrainingRequest(**request.base.model_dump(), project_id=project_id, created_by=user_id)
    with read() as session:
        plan = plan_for(session, asked)
    with write() as session:
        _refuse_taken(session, project_id, request.name)
        snapshot = freeze_snapshot(session, asked, plan)
        base = request.base.model_copy(
            update={"snapshot_id": snapshot.id, "lower": None, "upper": None, "view_id": None}
        )
        study = Study(
            project_id=project_id,
            name=request.name,
            objective=request.objective,
            snapshot_id=snapshot.id,
            base=base.model_dump(mode="json"),
            space=[each.model_dump(mode="json") for each in request.space],
            most_trials=request.most_trials,
            most_hours=request.most_hours,
            at_once=request.at_once,
            prunes=request.prunes,
            seed=request.seed,
            created_by=user_id,
            created_at=now(),
        )
        session.add(study)
        session.flush()
        return study.id


def get_study(session: Session, study_id: int, project_id: int) -> Study:
    """A study of this project. Raises NotFound."""
    study = session.get(Study, study_id)
    if study is None or study.project_id != project_id:
        raise NotFound(f"this project has no study {study_id}")
    return study


def pause_study(session: Session, study_id: int, project_id: int) -> None:
    """No new trial starts; those under way go on to their end. Raises Conflict unless it is running."""
    study = get_study(session, study_id, project_id)
    _require(study, "running", "paused")
    study.state = "paused"


def go_on(session: Session, study_id: int, project_id: int) -> None:
    """A paused study goes on. Raises Conflict unless it is paused."""
    study = get_study(session, study_id, project_id)
    _require(study, "paused", "let go on")
    study.state, study.note, study.resumed_at = "running", "", now()


def end_study(session: Session, study_id: int, project_id: int) -> None:
    """No new trial, for good; what was found stays. Raises Conflict where it has ended."""
    study = get_study(session, study_id, project_id)
    if study.state == "ended":
        raise Conflict(f"study {study.name} has already ended")
    study.most_trials = session.scalar(select(func.count()).where(Trial.study_id == study_id)) or 0
    study.state = "running"  # the next turn settles the trials under way and ends it


def _require(study: Study, state: str, act: str) -> None:
    if study.state != state:
        raise Conflict(f"only a {state} study can be {act}; {study.name} is {study.state}")


def _refuse_taken(session: Session, project_id: int, name: str) -> None:
    if session.scalar(select(Study.id).where(Study.project_id == project_id, Study.name == name)) is not None:
        raise Conflict(f"a study's name is its own; {name!r} is taken")
