"""`winnow study`."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError
from sqlalchemy import select

from app.cli.output import AsJson, ProjectName, project_id_of, reported, say
from app.cli.training import StartChoice, given_settings, start_and_parent
from app.cli.waiting import console, workers_at_hand
from app.core.database import Json, read, write
from app.core.errors import InvalidInput, WinnowError
from app.studies.models import Study
from app.studies.report import StudyReport, study_report
from app.studies.schemas import SEARCHABLE, Dimension, Objective, StudyRequest, Value, shown
from app.studies.service import begin_study, go_on, pause_study
from app.training.schemas import TrainingChoices
from app.web.forms import refusal

_POLL_SECONDS: Final = 2.0
_WORDS: Final[dict[str, Value]] = {"true": True, "false": False}
_OBJECTIVES: Final[dict[str, Objective]] = {"accuracy": "validation_accuracy", "loss": "validation_loss"}


def study(
    name: Annotated[str, typer.Argument(help="The study's own name.")],
    *,
    project: ProjectName = "",
    search: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LOW..HIGH", help="A setting to search: dropout=0..0.5, batch_size=16,32, or NAME."),
    ] = None,
    trials: Annotated[int, typer.Option(min=2, help="Most trials.")] = 20,
    hours: Annotated[float | None, typer.Option(help="Most hours of training, all trials together.")] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Trials at the same time, where workers are free.")] = 1,
    objective: Annotated[str, typer.Option(help="accuracy or loss, of validation.")] = "accuracy",
    prune: Annotated[bool, typer.Option(help="Give up hopeless trials.")] = True,
    start: Annotated[StartChoice, typer.Option(help="Where the weights come from.")] = StartChoice.AUTO,
    trunk: Annotated[str | None, typer.Option(help="Architecture; `winnow doctor` lists them.")] = None,
    parent: Annotated[int | None, typer.Option(help="Number of the version to start from; the newest.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting that all trials share.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    wait: Annotated[bool, typer.Option(help="Stay until it ends; Ctrl-C pauses it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Look for the best settings: many runs on one snapshot. The name of one that is paused lets it go on."""
    with reported(as_json=as_json):
        project_id = project_id_of(project)
        study_id = None if search else _goes_on(project_id, name)
        if study_id is None:
            chosen, parent_id = start_and_parent(project_id, start, parent, trunk)
            try:
                base = TrainingChoices(
                    start=chosen, trunk=trunk, parent_version_id=parent_id, seed=seed, **given_settings(settings or [])
                )
                request = StudyRequest(
                    name=name,
                    base=base,
                    space=tuple(_dimension(each) for each in search or _proposed()),
                    objective=_objective(objective),
                    most_trials=trials,
                    most_hours=hours,
                    at_once=at_once,
                    prunes=prune,
                    seed=seed,
                )
            except ValidationError as error:
                raise refusal(error) from error
            study_id = begin_study(request, project_id=project_id, user_id=None)
        if wait:
            with workers_at_hand():
                _follow(study_id, project_id)
        with read() as session:
            report = study_report(session, study_id, project_id)
        say(_told(report), as_json=as_json, text=_as_text)


def _goes_on(project_id: int, name: str) -> int | None:
    """The study of that name, let go on if it was paused; None where there is none."""
    with write() as session:
        known = session.scalar(select(Study).where(Study.project_id == project_id, Study.name == name))
        if known is not None and known.state == "paused":
            go_on(session, known.id, project_id)
        return known.id if known is not None else None


def _follow(study_id: int, project_id: int) -> None:
    """Tell each trial as it ends, until the study does. Ctrl-C pauses it; a study that waits for a person raises."""
    told: set[int] = set()
    try:
        while True:
            with read() as session:
                report = study_report(session, study_id, project_id)
            for trial in report.trials:
                if trial.state != "running" and trial.number not in told:
                    told.add(trial.number)
                    score = "" if trial.score is None else f" {trial.score:.4f}"
                    console.print(f"Trial {trial.number}: {trial.state}{score}  {_words(trial.settings)}")
            if report.study.state == "ended":
                return
            if report.study.state == "paused":
                raise WinnowError(f"The study is paused. {report.study.note}".strip(), code="study_paused")
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        with write() as session:
            pause_study(session, study_id, project_id)
        console.print("The study is paused; its page lets it go on.")
        raise


def _proposed() -> list[str]:
    return [name for name, each in SEARCHABLE.items() if each.is_proposed]


def _dimension(text: str) -> Dimension:
    """NAME, NAME=LOW..HIGH or NAME=A,B,C. Raises InvalidInput for one that cannot be read."""
    name, equals, values = text.partition("=")
    known = SEARCHABLE.get(name)
    if known is None:
        raise InvalidInput(f"A study searches {', '.join(SEARCHABLE)}; received {name!r}.")
    if not equals:
        return known.dimension
    usual = known.dimension
    try:
        if usual.kind == "choice":
            return Dimension(name=name, kind="choice", choices=tuple(_value(each) for each in values.split(",")))
        low, dots, high = values.partition("..")
        if not dots:
            raise InvalidInput(f"{name} is searched over a range LOW..HIGH; received {values!r}.")
        return Dimension(name=name, kind=usual.kind, low=float(low), high=float(high), is_log=usual.is_log)
    except ValidationError as error:
        raise refusal(error) from error
    except ValueError as error:
        raise InvalidInput(f"The ends of {name} are numbers; received {values!r}.") from error


def _value(text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _objective(text: str) -> Objective:
    if text not in _OBJECTIVES:
        raise InvalidInput(f"The objective is {' or '.join(_OBJECTIVES)}; received {text!r}.")
    return _OBJECTIVES[text]


def _words(settings: Json) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in settings.items())


def _told(report: StudyReport) -> Json:
    def trial(each: Any) -> Json:
        return {"trial": each.number, "state": each.state, "score": each.score, "settings": each.settings}

    study = report.study
    return {
        "study": study.id,
        "name": study.name,
        "state": study.state,
        "objective": study.objective,
        "seconds": report.seconds,
        "best": trial(report.best) if report.best else None,
        "importance": study.importance,
        "trials": [trial(each) for each in report.trials],
    }


def _as_text(result: Json) -> str:
    best = result["best"]
    head = f"{result['name']} is {result['state']}: {len(result['trials'])} trials in {result['seconds']:.0f} s."
    if best is None:
        return head
    return f"{head}\nBest, trial {best['trial']}: {best['score']:.4f} with {_words(best['settings'])}."
