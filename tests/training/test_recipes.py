"""Recipes: what starts them, what holds them back, and what people are told at the end."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput
from app.labelling.models import LabelClass
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from app.labelling.undo import undo
from app.library.models import Image
from app.projects.notice_models import Notice
from app.projects.notices import follow, newest_notices, unread_count
from app.runs.models import Run, RunState
from app.runs.service import request_run
from app.training.ends import tell_ends
from app.training.models import TrainingRun
from app.training.recipe_models import AwaitedEnd, Recipe
from app.training.recipe_queries import list_recipes, recipe_runs
from app.training.recipe_schemas import RecipeSpec, next_time
from app.training.recipe_starts import start_due, start_now
from app.training.recipes import (
    change_recipe,
    continue_recipe,
    create_recipe,
    delete_recipe,
    follow_recipe,
    pause_recipe,
    restore_recipe,
)
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from tests.factories.accounts import make_user
from tests.factories.datasets import make_class, make_project
from tests.factories.library import add_images
from tests.factories.projects import add_member
from tests.factories.registry import tiny_version
from worker.celery_app import celery_app

pytestmark = pytest.mark.usefixtures("installation")
HEAD_ONLY: dict[str, Any] = {"start": "head_only"}


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - the database comes first
    with write() as session:
        made = make_project(session, lower_cutoff=10, upper_cutoff=100)
        for name, images in (("Apple", 14), ("Melon", 12), ("Pear", 8)):
            add_images(session, made, images, class_id=make_class(session, made, name), state="labelled")
        return made


@pytest.fixture
def owner(project_id: int) -> int:
    with write() as session:
        user = make_user(session)
        add_member(session, project_id=project_id, user_id=user.id, role="engineer")
        return user.id


def recipe(project_id: int, owner: int | None = None, **values: Any) -> int:
    spec = {"name": "Nightly", "choices": HEAD_ONLY, **values}
    with write() as session:
        return create_recipe(session, project_id=project_id, spec=RecipeSpec(**spec), user_id=owner)


def make_due(recipe_id: int, *, days: int = 3) -> None:
    with write() as session:
        session.execute(update(Recipe).where(Recipe.id == recipe_id).values(next_at=now() - timedelta(days=days)))


def end(run_id: int, state: RunState = RunState.SUCCEEDED, **values: Any) -> None:
    with write() as session:
        session.execute(update(Run).where(Run.id == run_id).values(state=state, finished_at=now(), **values))


def runs_of(recipe_id: int) -> list[tuple[int, str]]:
    with read() as session:
        return [(each.run_id, why) for each, why in recipe_runs(session, recipe_id)]


def label(project_id: int, owner: int, count: int, class_name: str = "Pear") -> int:
    """So many new images of the class; the act's id."""
    with write() as session:
        class_id = session.scalars(select(LabelClass.id).where(LabelClass.name == class_name)).one()
        images = add_images(session, project_id, count)
        changes = [Change(image_id, to_state="labelled", class_id=class_id) for image_id in images]
        done = apply_labels(
            session, project_id=project_id, user_id=owner, how="grid", changes=changes, kind="label", summary="some"
        )
        return done.action_id


def told(user_id: int) -> list[str]:
    with read() as session:
        return [each.text for each in newest_notices(session, user_id, is_administrator=False)]


DAILY: dict[str, Any] = {"trigger": "schedule", "every": "day", "at_hour": 2}


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        ({"every": "hours", "every_hours": 6}, "2026-03-04 21:30"),
        ({"every": "day", "at_hour": 16}, "2026-03-04 16:00"),
        ({"every": "day", "at_hour": 15}, "2026-03-05 15:00"),
        ({"every": "week", "weekday": 2, "at_hour": 15}, "2026-03-11 15:00"),
        ({"every": "week", "weekday": 0, "at_hour": 0}, "2026-03-09 00:00"),
    ],
)
def test_the_next_time_of_a_schedule(timing: dict[str, Any], expected: str):
    wednesday = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
    whole = {"every_hours": None, "at_hour": None, "weekday": None, **timing}
    assert f"{next_time(wednesday, **whole):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"trigger": "labels"}, "also needs new labels"),
        ({"trigger": "schedule", "every": "week", "at_hour": 2}, "also needs weekday"),
        ({"trigger": "hand", "new_labels": 5}, "has no new labels"),
        ({"choices": {"start": "warm"}, "parent": "none"}, "needs an earlier version"),
        ({"choices": {"start": "random"}, "parent": "newest"}, "has no earlier version"),
        ({"parent": "version"}, "exactly where"),
        ({"name": "  "}, "at least one visible character"),
    ],
)
def test_what_does_not_fit_together_is_no_recipe(values: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        RecipeSpec(**{"name": "Nightly", "choices": HEAD_ONLY, **values})


def test_one_click_asks_for_the_whole_chain_and_waits_for_its_end(project_id: int, owner: int):
    made = recipe(project_id, owner, choices={**HEAD_ONLY, "epochs": 7, "then_identify": True})
    run_id = start_now(made, project_id=project_id, user_id=owner)
    with read() as session:
        run, asked = session.get_one(Run, run_id), session.get_one(TrainingRun, run_id)
        assert (run.kind, run.created_by, asked.config["fit"]["epochs"]) == ("training.train", owner, 7)
        assert run.follow_ups[0]["kind"] == "evaluation.evaluate"
        assert run.follow_ups[0]["follow_ups"][0]["kind"] == "identification.identify"
    with pytest.raises(Conflict, match=f"Run {run_id} of this recipe is not done yet"):
        start_now(made, project_id=project_id, user_id=owner)
    end(run_id, RunState.FAILED)
    assert runs_of(made) == [(run_id, "hand")]
    start_now(made, project_id=project_id, user_id=owner)


def test_a_missed_time_is_caught_up_once_and_not_while_the_last_run_goes_on(project_id: int):
    made = recipe(project_id, **DAILY)
    assert start_due() == 0
    make_due(made, days=9)
    assert start_due() == 1
    first = runs_of(made)[0][0]
    assert (runs_of(made), start_due()) == ([(first, "schedule")], 0)
    make_due(made)
    assert start_due() == 0
    with write() as session:
        changed = session.scalars(select(Image.id).where(Image.project_id == project_id).limit(1)).one()
        session.execute(update(Image).where(Image.id == changed).values(rotation=90))
    end(first)
    assert start_due() == 1
    with read() as session:
        assert session.get_one(Recipe, made).next_at > now()
        assert session.get_one(Run, first).created_by is None


def test_several_that_look_at_once_start_it_once(project_id: int):
    made = recipe(project_id, **DAILY)
    make_due(made)
    together = threading.Barrier(4)

    def look() -> None:
        together.wait()
        start_due()

    beats = [threading.Thread(target=look) for _ in range(4)]
    for beat in beats:
        beat.start()
    for beat in beats:
        beat.join()
    assert len(runs_of(made)) == 1
    with read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1
        assert session.get_one(Recipe, made).starts == 1


def test_new_labels_start_it_and_undone_ones_do_not_count(project_id: int, owner: int):
    made = recipe(project_id, trigger="labels", new_labels=10)
    label(project_id, owner, 6)
    undone = label(project_id, owner, 7)
    with write() as session:
        undo(session, undone, project_id=project_id, user_id=owner, may_undo_others=False)
    assert start_due() == 0
    with read() as session:
        assert list_recipes(session, project_id, user_id=owner)[0].labels_since == 6
    label(project_id, owner, 4)
    assert start_due() == 1
    end(runs_of(made)[0][0])
    assert start_due() == 0


def test_without_enough_classes_it_says_why_once_and_tries_again_when_it_is_due_again(project_id: int, owner: int):
    made = recipe(project_id, owner, choices={**HEAD_ONLY, "lower": 13}, **DAILY)
    for days in (5, 2):
        make_due(made, days=days)
        assert (start_due(), start_due()) == (0, 0)
    with read() as session:
        held = session.get_one(Recipe, made)
        assert held.held_code == "too_few_classes"
        assert "there are 1 (Apple)" in (held.held_reason or "")
        assert (held.starts, held.next_at > now()) == (2, True)
        assert session.scalars(select(Run.id)).all() == []
    assert told(owner) == [f"Nightly did not start: {held.held_reason}"]
    with pytest.raises(InvalidInput, match="at least 2 classes"):
        start_now(made, project_id=project_id, user_id=owner)


def test_a_schedule_does_not_train_again_on_the_same_images(project_id: int, owner: int):
    made = recipe(project_id, owner, **DAILY)
    make_due(made)
    assert start_due() == 1
    first = runs_of(made)[0][0]
    end(first)
    make_due(made)
    assert start_due() == 0
    with read() as session:
        assert session.get_one(Recipe, made).held_reason == (
            f"Nothing has changed since run {first}: the same images and labels."
        )
    assert [text for text in told(owner) if "did not start" in text] == []


def test_a_paused_or_deleted_recipe_does_not_start_and_catches_nothing_up(project_id: int, owner: int):
    made = recipe(project_id, **DAILY)
    for stop, go_on in ((pause_recipe, continue_recipe), (delete_recipe, restore_recipe)):
        with write() as session:
            stop(session, made, project_id=project_id)
        make_due(made)
        assert start_due() == 0
        with write() as session:
            go_on(session, made, project_id=project_id)
        assert start_due() == 0
    with write() as session:
        delete_recipe(session, made, project_id=project_id)
        other = create_recipe(
            session, project_id=project_id, spec=RecipeSpec(name="Nightly", choices=HEAD_ONLY), user_id=owner
        )
    with write() as session, pytest.raises(Conflict, match="has the name Nightly"):
        restore_recipe(session, made, project_id=project_id)
    with write() as session:
        change_recipe(session, other, project_id=project_id, spec=RecipeSpec(name="By day", choices=HEAD_ONLY, **DAILY))
        assert session.get_one(Recipe, other).next_at is not None


def test_a_warm_recipe_starts_from_the_version_that_is_newest_then(project_id: int):
    warm = {"choices": {"start": "warm", "input_size": 32}, **DAILY}
    made = recipe(project_id, **warm)
    make_due(made)
    assert start_due() == 0
    with read() as session:
        assert session.get_one(Recipe, made).held_code == "no_parent"
    tiny_version(project_id, ["Apple", "Melon"])
    newest = tiny_version(project_id, ["Apple", "Melon"])
    tiny_version(project_id, ["Apple", "Melon"], throwaway=True)
    make_due(made)
    assert start_due() == 1
    with read() as session:
        assert session.get_one(TrainingRun, runs_of(made)[0][0]).parent_version_id == newest.id


def test_who_is_concerned_is_told_once_how_the_whole_chain_ended(project_id: int, owner: int):
    with write() as session:
        of_project, of_recipe, stranger = (make_user(session).id for _ in range(3))
        for user_id in (of_project, of_recipe, stranger):
            add_member(session, project_id=project_id, user_id=user_id, role="viewer")
        follow(session, project_id, of_project)
    made = recipe(project_id, owner)
    with write() as session:
        follow_recipe(session, made, project_id=project_id, user_id=of_recipe)
    run_id = start_now(made, project_id=project_id, user_id=stranger)
    end(run_id, result={"number": 3, "validation_accuracy": 0.914})
    with write() as session:
        common: dict[str, Any] = {"project_id": project_id, "parameters": {}}
        evaluation = request_run(session, kind="evaluation.evaluate", title="Evaluate", follows_run_id=run_id, **common)
        identification = request_run(
            session, kind="identification.identify", title="Identify", follows_run_id=evaluation, **common
        )
    end(evaluation)
    assert (tell_ends(), told(owner)) == (0, [])
    end(identification, result={"images": 90, "candidates": {"Pear": 17, "Plum": 1}})
    assert (tell_ends(), tell_ends()) == (1, 0)
    text = (
        "Nightly: version 3 is trained and evaluated with a validation accuracy of 0.914;"
        " Pear: 17 candidates found; Plum: 1 candidate found."
    )
    assert [told(each) for each in (owner, of_project, of_recipe, stranger)] == [[text]] * 4
    label(project_id, stranger, 1)
    label(project_id, owner, 1, "Apple")
    failing = start_now(made, project_id=project_id, user_id=owner)
    end(failing, RunState.FAILED, error_message="The disk is full.")
    assert tell_ends() == 1
    assert told(owner)[0] == "Nightly: training failed. The disk is full."
    assert tell_ends() == 0
    end(failing, RunState.QUEUED)
    assert tell_ends() == 0
    end(failing, result={"number": 4, "validation_accuracy": None})
    assert (tell_ends(), tell_ends()) == (1, 0)
    assert told(owner)[0] == "Nightly: version 4 is trained and evaluated."
    with read() as session:
        assert unread_count(session, owner, is_administrator=False) == 3
        paths = session.scalars(select(Notice.path).where(Notice.user_id == owner).order_by(Notice.id)).all()
    assert paths == [f"/runs/{run_id}", f"/runs/{failing}", f"/runs/{failing}"]


def test_when_labelling_lifts_a_class_to_the_cutoff_the_normal_run_is_proposed_once(project_id: int, owner: int):
    run_id = start_training(
        TrainingRequest(project_id=project_id, created_by=owner, start="head_only", purpose="throwaway", lower=8)
    )
    end(run_id, result={"number": 1, "validation_accuracy": None})
    assert tell_ends() == 1
    label(project_id, owner, 1)
    assert tell_ends() == 0
    label(project_id, owner, 1)
    assert (tell_ends(), tell_ends()) == (1, 0)
    assert told(owner)[0] == "Pear has been lifted to the cutoff of 10 usable images: train the normal run."
    with read() as session:
        assert not session.get_one(AwaitedEnd, run_id).is_lift_awaited


def test_beat_has_recipes_looked_after_each_minute(project_id: int):
    celery_app.loader.import_default_modules()
    entry = celery_app.conf.beat_schedule["recipes"]
    made = recipe(project_id, **DAILY)
    make_due(made)
    assert (entry["schedule"], celery_app.tasks[entry["task"]]()) == (60.0, 1)
    assert [why for _, why in runs_of(made)] == ["schedule"]
