"""Studies: what may be searched, trials as ordinary runs, budgets, giving up, and the pages."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput
from app.registry.models import ModelVersion
from app.runs.models import Run, RunState
from app.studies.models import Study, Trial
from app.studies.queries import past_trials
from app.studies.schemas import SEARCHABLE, Dimension
from app.studies.service import begin_study, end_study, go_on, pause_study
from app.studies.work import MOST_FAILURES, advance
from app.training.models import TrainingRun
from app.training.schemas import TrainingChoices
from tests.factories.datasets import make_class, make_images, make_project
from tests.factories.registry import tiny_version
from tests.factories.studies import end_run, report_epochs, study_request
from tests.web_client import SignInAs

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - the database comes first
    with write() as session:
        made = make_project(session, lower_cutoff=20, upper_cutoff=300)
        for _ in range(3):
            make_images(session, made, 24, make_class(session, made))
        return made


def begin(project_id: int, **values: object) -> int:
    return begin_study(study_request(**values), project_id=project_id, user_id=None)


def trials(study_id: int) -> list[Trial]:
    with read() as session:
        return list(session.scalars(select(Trial).where(Trial.study_id == study_id).order_by(Trial.number)))


def state_of(study_id: int) -> tuple[str, str]:
    with read() as session:
        study = session.get_one(Study, study_id)
        return study.state, study.note


def quality(settings: dict[str, Any]) -> float:
    """A score that is best at a learning rate of 0.002, and hardly cares for the rest."""
    return 0.9 - 0.2 * abs(math.log10(settings["learning_rate"] / 0.002)) - 0.01 * settings["dropout"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"space": (Dimension(name="epochs", kind="whole", low=1, high=3),)}, "searches learning_rate"),
        ({"space": (SEARCHABLE["dropout"].dimension,) * 2}, "searched once"),
        ({"space": (Dimension(name="dropout", kind="number", low=0, high=2),)}, "dropout"),
        ({"space": (Dimension(name="dropout", kind="choice", choices=(0.1, 0.2)),)}, "searched as a number"),
        ({"space": (SEARCHABLE["mixup"].dimension,)}, "mixup"),
        ({"base": TrainingChoices(start="head_only", purpose="throwaway")}, "throw-away"),
        ({"base": TrainingChoices(start="warm")}, "parent"),
    ],
)
def test_a_search_that_no_run_would_take_is_refused(project_id: int, values: dict[str, Any], said: str):
    with pytest.raises(InvalidInput, match=said):
        begin(project_id, **values)
    with read() as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"low": 1.0, "high": 1.0}, {"low": 0.0, "high": 1.0, "is_log": True}, {"kind": "choice", "choices": (1, 1)}],
)
def test_a_range_needs_two_ends(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="dropout"):
        Dimension(**{"name": "dropout", "kind": "number", **wrong})


def test_trials_are_ordinary_runs_on_one_snapshot_and_the_search_learns(project_id: int):
    study_id = begin(project_id, most_trials=14)
    with write() as session:  # labels that come later do not change what the trials train on
        make_images(session, project_id, 30, make_class(session, project_id, "late"))
    for _ in range(14):
        assert advance(study_id) == 1
        newest = trials(study_id)[-1]
        report_epochs(newest.run_id, [0.3, quality(newest.settings)])
        end_run(newest.run_id)
    assert advance(study_id) == 0
    with read() as session:
        study = session.get_one(Study, study_id)
        runs = session.execute(
            select(Run.kind, Run.throwaway, TrainingRun.snapshot_id, TrainingRun.config)
            .join(TrainingRun, TrainingRun.run_id == Run.id)
            .order_by(Run.id)
        ).all()
    done = trials(study_id)
    assert study.state == "ended"
    assert {(kind, throwaway, snapshot) for kind, throwaway, snapshot, _ in runs} == {
        ("training.train", False, study.snapshot_id)
    }
    assert [config["fit"]["learning_rate"] for *_, config in runs] == [t.settings["learning_rate"] for t in done]
    assert {trial.state for trial in done} == {"complete"}
    assert max(study.importance, key=study.importance.get) == "learning_rate"
    late = [abs(math.log10(trial.settings["learning_rate"] / 0.002)) for trial in done[8:]]
    assert sum(late) / len(late) < math.log10(10)  # the whole range is two decades wide


def test_the_best_version_is_evaluated_when_a_study_ends(project_id: int):
    study_id = begin(project_id, most_trials=2)

    for accuracy in (0.6, 0.8):
        advance(study_id)
        newest = trials(study_id)[-1]
        report_epochs(newest.run_id, [accuracy])
        end_run(newest.run_id)
    version = tiny_version(project_id, ["one", "two"])
    with write() as session:
        session.execute(
            update(ModelVersion).where(ModelVersion.id == version.id).values(run_id=trials(study_id)[1].run_id)
        )
    assert advance(study_id) == 0
    with read() as session:
        asked = session.scalars(select(Run).where(Run.kind == "evaluation.evaluate")).all()
        assert [run.parameters for run in asked] == [{"version_id": version.id}]


def test_two_workers_never_start_the_same_trial(project_id: int):
    study_id = begin(project_id, most_trials=4, at_once=4)
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(advance, [study_id] * 4))
    advance(study_id)
    started = trials(study_id)
    assert [trial.number for trial in started] == [1, 2, 3, 4]
    assert len({trial.run_id for trial in started}) == 4
    assert len({str(trial.settings) for trial in started}) == 4


def test_a_hopeless_trial_is_given_up_and_does_not_count_as_a_failure(project_id: int):
    study_id = begin(project_id)
    for at in range(5):
        advance(study_id)
        newest = trials(study_id)[-1]
        steps = [0.1] * 6 if at == 4 else [0.5, 0.6, 0.7, 0.7, 0.75, 0.8]
        report_epochs(newest.run_id, steps)
        if at < 4:
            end_run(newest.run_id)
    advance(study_id)
    hopeless = trials(study_id)[4]
    assert hopeless.state == "pruned"
    with read() as session:
        assert session.get_one(Run, hopeless.run_id).cancel_requested_at is not None
    end_run(hopeless.run_id, RunState.CANCELLED)
    advance(study_id)
    assert trials(study_id)[4].state == "pruned"
    with read() as session:
        assert [each.state for each in past_trials(session, session.get_one(Study, study_id))].count("pruned") == 1


def test_a_study_whose_trials_fail_waits_for_a_person(project_id: int):
    study_id = begin(project_id, most_trials=20)
    for _ in range(MOST_FAILURES):
        assert advance(study_id) == 1
        end_run(trials(study_id)[-1].run_id, RunState.FAILED)
    assert advance(study_id) == 0
    state, note = state_of(study_id)
    assert (state, f"last {MOST_FAILURES} trials failed" in note) == ("paused", True)
    with write() as session:
        go_on(session, study_id, project_id)
    assert advance(study_id) == 1
    assert state_of(study_id) == ("running", "")


def test_a_study_can_be_paused_resumed_and_ended_and_keeps_to_its_hours(project_id: int):
    study_id = begin(project_id, most_hours=0.001)
    advance(study_id)
    with write() as session:
        pause_study(session, study_id, project_id)
    assert advance(study_id) == 0
    with write() as session, pytest.raises(Conflict, match="paused"):
        pause_study(session, study_id, project_id)
    with write() as session:
        go_on(session, study_id, project_id)
    report_epochs(trials(study_id)[0].run_id, [0.5])
    end_run(trials(study_id)[0].run_id)  # ten seconds are more than the budget's 3.6
    assert advance(study_id) == 0
    assert state_of(study_id)[0] == "ended"
    with write() as session, pytest.raises(Conflict, match="already ended"):
        end_study(session, study_id, project_id)


def test_an_identical_finished_run_is_used_instead_of_a_second_one(project_id: int):
    space = (Dimension(name="batch_size", kind="choice", choices=(32, 64)),)
    study_id = begin(project_id, space=space, most_trials=5, prunes=False)
    for _ in range(5):
        advance(study_id)
        newest = trials(study_id)[-1]
        with read() as session:
            if session.get_one(Run, newest.run_id).state == RunState.SUCCEEDED:
                continue
        report_epochs(newest.run_id, [0.5])
        end_run(newest.run_id)
    for _ in range(3):
        advance(study_id)
    assert len(trials(study_id)) == 5
    assert len({trial.run_id for trial in trials(study_id)}) == 2
    assert {trial.score for trial in trials(study_id)} == {0.5}


def test_the_pages_begin_show_and_end_a_study(sign_in_as: SignInAs, project: Any):
    with write() as session:
        for name in ("Apple", "Melon"):
            make_images(session, project.id, 50, make_class(session, project.id, name))
    browser, here = sign_in_as("engineer"), f"/projects/{project.slug}/studies"
    assert sign_in_as("reviewer").get(f"{here}/new").status_code == 403
    assert "No study yet" in browser.get(here).text
    form = {"name": "Heads", "most_trials": "3", "search.learning_rate": "true", "low.learning_rate": "0.1"}
    refused = browser.post(here, data={**form, "high.learning_rate": "ten"})
    assert refused.status_code == 422
    assert "The high end of Learning rate is a number; received &#39;ten&#39;" in refused.text
    assert 'value="0.1"' in refused.text
    address = browser.post(here, data={**form, "low.learning_rate": "0.0001", "high.learning_rate": "0.01"})
    study = address.headers["location"]
    study_id = int(study.rsplit("/", 1)[1])
    assert "The first trial starts within seconds" in browser.get(study).text
    advance(study_id)
    run_id = trials(study_id)[0].run_id
    report_epochs(run_id, [0.4, 0.62])
    end_run(run_id)
    advance(study_id)
    page = browser.get(study).text
    assert "0.6200" in page
    assert "/train?start=head_only" in page
    assert browser.post(f"{study}/end").status_code == 303
    told = browser.get(f"/api/v1/projects/{project.slug}/studies/{study_id}").json()
    assert (told["best"]["number"], told["best"]["score"], len(told["trials"])) == (1, 0.62, 2)


def test_a_study_of_another_project_is_not_found(sign_in_as: SignInAs, project: Any, project_id: int):
    study_id = begin(project_id)
    browser = sign_in_as("engineer")
    for path in ("", "/progress"):
        assert browser.get(f"/projects/{project.slug}/studies/{study_id}{path}").status_code == 404
    assert browser.post(f"/projects/{project.slug}/studies/{study_id}/pause").status_code == 404
