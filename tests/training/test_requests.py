"""What may be asked of training, what is refused, and what is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from app.cli.main import app as command
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound, WinnowError
from app.datasets.models import Snapshot
from app.registry.queries import get_version
from app.runs.models import Run
from app.training.fit_settings import DEFAULT_SETTINGS
from app.training.models import TrainingRun
from app.training.queries import defaults_for
from app.training.schemas import TrainingRequest
from app.training.service import request_training, start_training
from tests.factories.datasets import make_class, make_images, make_project
from tests.factories.registry import TinyVersion, tiny_version
from worker.learning.config import FitConfig, default_config

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - the database comes first
    with write() as session:
        made = make_project(session, lower_cutoff=40, upper_cutoff=300)
        for images in (50, 44, 36):
            make_images(session, made, images, make_class(session, made))
        return made


def asked(project_id: int, **values: Any) -> TrainingRequest:
    return TrainingRequest(**{"project_id": project_id, "start": "head_only", **values})


def test_a_request_is_recorded_whole_and_points_at_its_snapshot(project_id: int):
    run_id = start_training(asked(project_id, epochs=7))
    with read() as session:
        run, recorded = session.get_one(Run, run_id), session.get_one(TrainingRun, run_id)
        snapshot = session.get_one(Snapshot, recorded.snapshot_id)
        assert (run.kind, run.queue, run.throwaway) == ("training.train", "learning", False)
        assert run.title == "Head only on EfficientNet-Lite0, 2 classes"
        assert (snapshot.classes, snapshot.images, snapshot.lower_cutoff) == (2, 94, 40)
        default = DEFAULT_SETTINGS["head_only"].model_dump(mode="json")
        assert recorded.config["fit"] == {
            **default,
            "epochs": 7,
            "trunk": "efficientnet_lite0",
            "input_size": 224,
            "start": "head_only",
            "seed": 0,
        }
        assert {"code_version", "python", "numpy", "keras"} <= set(recorded.environment)
        evaluation = run.follow_ups[0]
    assert (evaluation["kind"], evaluation["follow_ups"]) == ("evaluation.evaluate", [])


def test_defaults_of_the_page_and_of_the_training_engine_agree():
    for start, settings in DEFAULT_SETTINGS.items():
        trunk = "efficientnet_lite0"
        engine = default_config(trunk, start).to_json()
        ours = {"trunk": trunk, "input_size": 224, "start": start, "seed": 0, **settings.model_dump()}
        assert FitConfig.from_json(ours).to_json() == engine


def test_a_throw_away_run_takes_classes_just_below_the_cutoff_and_then_identifies_the_pool(project_id: int):
    run_id = start_training(asked(project_id, purpose="throwaway"))
    with read() as session:
        run, recorded = session.get_one(Run, run_id), session.get_one(TrainingRun, run_id)
        snapshot = session.get_one(Snapshot, recorded.snapshot_id)
        assert run.throwaway
        assert (snapshot.lower_cutoff, snapshot.classes) == (35, 3)
        assert recorded.config["normal_lower"] == 40
        assert run.follow_ups[0]["follow_ups"][0]["kind"] == "identification.identify"


def test_an_identical_run_is_offered_instead_of_repeated(project_id: int):
    first = start_training(asked(project_id))
    with pytest.raises(Conflict) as refused:
        start_training(asked(project_id))
    assert (refused.value.code, refused.value.detail["run_id"]) == ("identical_run", first)
    with write() as session:
        session.execute(update(Run).where(Run.id == first).values(state="succeeded"))
    with pytest.raises(Conflict, match="has finished"):
        start_training(asked(project_id))
    assert start_training(asked(project_id, again=True)) > first
    assert start_training(asked(project_id, epochs=11)) > first
    with write() as session:
        session.execute(update(Run).values(state="failed"))
    assert start_training(asked(project_id)) > first


def parent(project_id: int, **values: Any) -> TinyVersion:
    return tiny_version(project_id, ["lion", "tiger"], **values)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"start": "warm"}, InvalidInput, "needs an earlier version"),
        ({"start": "warm", "parent_version_id": 999}, NotFound, "no model version 999"),
        ({"trunk": "resnet"}, InvalidInput, "received 'resnet'"),
        ({"trunk": "compact_cnn"}, InvalidInput, "no pretrained weights"),
        ({"start": "pretrained", "trunk": "compact_cnn"}, InvalidInput, "no pretrained weights"),
        ({"input_size": 100}, InvalidInput, "64, 96, 128, 160, 192, 224 pixels; received 100"),
        ({"lower": 45}, InvalidInput, "at least 2 classes with 45 usable images or more; there are 1"),
        ({"lower": 50, "upper": 40}, InvalidInput, "lower ≤ upper"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_plain_words(
    project_id: int, values: dict[str, Any], error: type[WinnowError], words: str
):
    with pytest.raises(error, match=words):
        start_training(asked(project_id, **values))
    with read() as session:
        assert session.scalars(select(Run.id)).all() == []


def test_a_parent_must_fit(project_id: int):
    tiny, throwaway = parent(project_id), parent(project_id, throwaway=True)
    with write() as session:
        foreign_project = make_project(session)
    foreign = parent(foreign_project)
    for values, words in (
        ({"start": "warm", "parent_version_id": throwaway.id}, "throw-away: it is never a parent"),
        ({"start": "random", "parent_version_id": tiny.id}, "has no parent"),
        ({"start": "warm", "parent_version_id": tiny.id, "trunk": "efficientnet_lite0"}, "keeps its trunk"),
        ({"start": "head_only", "parent_version_id": tiny.id, "input_size": 64}, "leaves the trunk"),
        ({"start": "warm", "parent_version_id": foreign.id}, "no model version"),
    ):
        with pytest.raises((InvalidInput, NotFound), match=words):
            start_training(asked(project_id, **values))


def test_small_subjects_bar_zooming_out():
    assert asked(1, start="warm").settings().augmentation.zoom_out
    assert not asked(1, start="warm", include_small=True).settings().augmentation.zoom_out


def test_a_request_inside_the_callers_own_transaction_leaves_nothing_when_that_fails(project_id: int):
    def ask_and_break() -> None:
        with write() as session:
            request_training(session, asked(project_id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_and_break()
    with read() as session:
        assert session.scalars(select(Run.id)).all() == []
        assert session.scalars(select(Snapshot.id)).all() == []


def test_the_default_is_head_only_first_and_a_warm_start_once_there_is_a_version(project_id: int):
    with read() as session:
        first = defaults_for(session, project_id)
    made = parent(project_id)
    parent(project_id, throwaway=True)
    with read() as session:
        later = defaults_for(session, project_id)
        known = get_version(session, made.id)
    assert (first.start, first.trunk, first.parent, first.throwaway_lower) == (
        "head_only",
        "efficientnet_lite0",
        None,
        35,
    )
    assert (later.start, later.parent, later.trunk) == ("warm", known, known.trunk.architecture)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("ema=2", "Ema may be at most 0.9999"),
        ("augmentation.zoom=9", "Augmentation.zoom may be at most 0.5"),
        ("momentum=0.9", "Momentum is not a field"),
        ("warmup", "--set takes NAME=VALUE; received 'warmup'"),
    ],
)
def test_the_command_takes_every_setting_and_refuses_what_is_none(setting: str, words: str):
    refused = CliRunner().invoke(command, ["train", "--set", setting, "--json"])
    assert refused.exit_code != 0
    assert words in json.loads(refused.output.splitlines()[-1])["error"]["message"]
