"""Runs laid over one another, and the tree of versions."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from app.core.database import read, write
from app.core.errors import InvalidInput, NotFound
from app.projects.models import Project
from app.registry.models import ModelVersion
from app.runs.models import Run
from app.runs.service import request_run
from app.training.comparing import compare_runs
from app.training.curves import plateau_epoch
from app.training.lineage import Descent, drawn, lineage_of
from app.training.recording import record_epochs
from app.training.schemas import EpochFigures, TrainingRequest
from app.training.service import start_training
from tests.factories.datasets import make_class, make_images, make_project
from tests.factories.registry import deploy, tiny_version
from tests.web_client import SignInAs


def epoch(number: int, accuracy: float, *, seconds: float = 2.0) -> EpochFigures:
    return EpochFigures(number, 1 / number, accuracy, 1 / number, accuracy, 1e-3, seconds, 100.0, is_best=True)


def ran(project_id: int, accuracies: list[float], **asked: object) -> int:
    run_id = start_training(TrainingRequest(project_id=project_id, start="random", trunk="compact_cnn", **asked))
    record_epochs(run_id, [epoch(number, value) for number, value in enumerate(accuracies, 1)])
    return run_id


@pytest.fixture
def library(project: Project) -> dict[str, int]:
    with write() as session:
        found = {name: make_class(session, project.id, name) for name in ("Apple", "Melon", "Pear")}
        for class_id, images in zip(found.values(), (50, 44, 37), strict=True):
            make_images(session, project.id, images, class_id)
    return found


def test_a_plateau_is_where_three_epochs_together_come_within_two_points_of_the_best():
    rising = [0.2, 0.5, 0.8, 0.88, 0.9, 0.9, 0.91, 0.9]
    assert plateau_epoch([epoch(number, value) for number, value in enumerate(rising, 1)]) == 6
    assert plateau_epoch([epoch(1, 0.4), epoch(2, 0.6)]) == 2
    assert plateau_epoch([epoch(1, 0.9)]) == 1
    assert plateau_epoch([]) is None


def test_what_differs_between_runs_is_told_and_what_is_alike_is_not(project: Project, library: dict[str, int]):
    first = ran(project.id, [0.3, 0.6, 0.7], epochs=9)
    with write() as session:
        make_images(session, project.id, 5, library["Pear"])
    second = ran(project.id, [0.5, 0.8], epochs=9, learning_rate=0.01)
    with write() as session:
        evaluation = request_run(
            session,
            project_id=project.id,
            kind="evaluation.evaluate",
            title="Evaluate",
            parameters={},
            follows_run_id=second,
        )
        figures = {"test": {"images": 21, "exposed": 0, "accuracy": 0.75}}
        session.execute(update(Run).where(Run.id == evaluation).values(result={"figures": figures}))
    with read() as session:
        found = compare_runs(session, project.id, [first, second])
    assert [name for name, _ in found.differing] == ["Learning rate"]
    assert found.differing[0][1] == [0.002, 0.01]
    assert found.runs[0].change.is_same
    change = found.runs[1].change
    assert (change.classes_added, change.classes_removed, change.relabelled) == (("Pear",), (), 0)
    assert (change.added, change.removed) == (42, 0)
    assert [each.plateau for each in found.runs] == [3, 2]
    assert found.runs[1].test["accuracy"] == 0.75
    assert found.series("accuracy", "seconds")[0]["points"] == [(2.0, 0.3), (4.0, 0.6), (6.0, 0.7)]


def test_only_two_to_six_training_runs_of_the_project_are_compared(project: Project, library: dict[str, int]):  # noqa: ARG001 - must exist
    own = ran(project.id, [0.3])
    with write() as session:
        elsewhere = make_project(session)
        other = request_run(session, project_id=elsewhere, kind="training.train", title="Train", parameters={})
    with read() as session:
        for chosen, error in (([own], InvalidInput), ([own] * 7, InvalidInput), ([own, other], NotFound)):
            with pytest.raises(error):
                compare_runs(session, project.id, chosen)


def test_the_page_lays_runs_over_one_another(sign_in_as: SignInAs, project: Project, library: dict[str, int]):  # noqa: ARG001 - must exist
    first, second = ran(project.id, [0.3, 0.6], epochs=5), ran(project.id, [0.5, 0.8], epochs=6)
    browser = sign_in_as("viewer")
    here = f"/projects/{project.slug}/training/compare"
    text = browser.get(f"{here}?run={first}&run={second}").text
    for words in (f"run {first}", f"run {second}", "Validation accuracy by epoch", "Settings that differ", "Epochs"):
        assert words in text
    chosen = browser.get(f"/projects/{project.slug}/runs?kind=training.train").text
    assert f'name="run" value="{first}" form="compare"' in chosen
    assert "by seconds of training" in browser.get(f"{here}?run={first}&run={second}&by=seconds").text
    assert "Choose at least one more run" in browser.get(f"{here}?run={first}").text
    assert browser.get(f"{here}?run={first}&run=999").status_code == 404


def descent(number: int, parent: int | None) -> Descent:
    from app.core.clock import now

    return Descent(number, number, "candidate", "warm", False, parent, now(), 2, {}, {}, is_production=False)


def lanes(parents: dict[int, int | None]) -> dict[int, int]:
    rows = drawn([descent(number, parent) for number, parent in sorted(parents.items(), reverse=True)])
    seen = [row.version.number for row in rows]
    assert sorted(seen) == sorted(parents)
    for row in rows:
        if (parent := parents[row.version.number]) is not None:
            assert seen.index(parent) > seen.index(row.version.number)
    return {row.version.number: row.lane for row in rows}


def test_a_chain_takes_one_lane_and_a_star_two_however_many_versions():
    chain: dict[int, int | None] = {1: None} | {number: number - 1 for number in range(2, 201)}
    assert set(lanes(chain).values()) == {0}
    star: dict[int, int | None] = {1: None} | dict.fromkeys(range(2, 201), 1)
    assert set(lanes(star).values()) == {0, 1}
    comb: dict[int, int | None] = {1: None} | {number: number // 2 for number in range(2, 201)}
    assert max(lanes(comb).values()) <= 8
    assert lanes({1: None, 2: None, 3: 1}) == {1: 0, 2: 0, 3: 0}


def test_the_tree_tells_descent_changes_and_gain(sign_in_as: SignInAs, project: Project):
    first = tiny_version(project.id, ["Apple", "Melon"])
    second = tiny_version(project.id, ["Apple", "Melon", "Pear"], parent_id=first.id, start="warm")
    tiny_version(project.id, ["Apple", "Melon"], parent_id=first.id, start="warm", throwaway=True)
    deploy(project.id, first.id)
    difference = {"added": 312, "removed": 4, "kept": 900}
    lineage = {"classes_added": ["Pear"], "popped_layer": "scores", "popped_classes": 2}
    with write() as session:
        session.get_one(ModelVersion, second.id).lineage = {**lineage, "snapshot_difference": difference}
        gain = {"gain": {"plateau_epoch": 5, "parent_plateau_epoch": 20, "parent_epochs": 30}}
        session.execute(update(Run).where(Run.id == second.run_id).values(result=gain))
    with read() as session:
        found = lineage_of(session, project.id)
    assert [(each.number, each.parent_number, each.is_production) for each in found] == [
        (3, 1, False),
        (2, 1, False),
        (1, None, True),
    ]
    text = re.sub(r"\s+", " ", sign_in_as("viewer").get(f"/projects/{project.slug}/training/lineage").text)
    for words in (
        "1 added: Pear",
        "images: 312 added, 4 removed, 900 kept",
        "popped: scores, 2 classes",
        "plateau after 5 epochs, the parent's after 20: 25%",
        "descent-throwaway",
        "in production",
    ):
        assert words in text
