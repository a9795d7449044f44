"""The form that starts a run, a training run's page, and the API."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from app.core.clock import now
from app.core.database import read, write
from app.labelling.models import LabelClass
from app.library.models import Image
from app.projects.models import Project
from app.runs.models import Run
from app.training.again import form_query
from app.training.fit_settings import Augmentation, FitSettings
from app.training.mirroring import mirror_doubts
from app.training.models import TrainingRun
from app.training.recording import record_detail, record_epochs, write_log
from app.training.schemas import EpochDetails, EpochFigures, LogLine, TrainingRequest
from app.training.service import start_training
from app.training.setting_fields import setting_groups
from tests.factories.datasets import make_class, make_images
from tests.factories.registry import tiny_version
from tests.web_client import SignInAs, make_api_token


@pytest.fixture
def here(project: Project) -> str:
    """The address of a project with two classes above the cutoff and one just below it."""
    with write() as session:
        for name, images in (("Apple", 50), ("Melon", 44), ("Pear", 37)):
            make_images(session, project.id, images, make_class(session, project.id, name))
    return f"/projects/{project.slug}"


def epoch(number: int, *, is_best: bool = True) -> EpochFigures:
    return EpochFigures(number, 1 / number, 0.5, 1 / number + 0.1, 0.4 + number / 100, 1e-3, 2.0, 140.0, is_best)


def test_the_proposed_run_starts_with_one_button(sign_in_as: SignInAs, here: str):
    assert sign_in_as("reviewer").get(f"{here}/train").status_code == 403
    browser = sign_in_as("engineer")
    page = browser.get(f"{here}/train").text
    assert 'value="head_only" checked' in page
    answer = browser.post(f"{here}/train", data={"start": "head_only", "flip": "true"})
    assert answer.status_code == 303
    with read() as session:
        run = session.scalars(select(Run)).one()
        assert (run.created_by, run.kind) == (browser.user_id, "training.train")
    assert answer.headers["location"] == f"{here}/runs/{run.id}"
    assert "Head only on EfficientNet-Lite0, 2 classes" in browser.get(answer.headers["location"]).text


def test_an_identical_run_is_offered_and_may_be_repeated_on_purpose(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("engineer")
    fields = {"start": "head_only", "epochs": "12"}
    first = browser.post(f"{here}/train", data=fields).headers["location"]
    refused = browser.post(f"{here}/train", data=fields)
    assert refused.status_code == 409
    assert f'href="{first}"' in refused.text
    assert 'value="12"' in refused.text
    assert browser.post(f"{here}/train", data={**fields, "again": "true"}).status_code == 303


def test_what_is_wrong_comes_back_with_the_form_as_it_was(sign_in_as: SignInAs, here: str):
    browser = sign_in_as("engineer")
    for fields, words in (
        ({"start": "warm"}, "needs an earlier version"),
        ({"start": "head_only", "lower": "90"}, "at least 2 classes"),
        ({"start": "random", "epochs": "0"}, "must be at least 1"),
        ({"start": "sideways"}, "must be one of"),
        ({"start": "random", "ema": "2"}, "may be at most 0.9999"),
    ):
        answer = browser.post(f"{here}/train", data={**fields, "seed": "77"})
        assert answer.status_code == 422
        assert words in answer.text
        assert 'value="77"' in answer.text
    beside = re.search(r'id="field-ema"[^>]*aria-invalid="true"', answer.text)
    assert beside is not None
    assert 'id="field-ema-error">may be at most 0.9999' in answer.text


def test_every_setting_has_a_field_of_its_own_with_the_default_of_the_start(sign_in_as: SignInAs, here: str):
    grouped = [each for _, members in setting_groups() for each in members]
    every = {*FitSettings.model_fields, *Augmentation.model_fields} - {"augmentation"}
    assert sorted(each.name for each in grouped) == sorted(every)
    assert all(each.title != each.name and each.hint for each in grouped)
    text = sign_in_as("engineer").get(f"{here}/train?start=warm").text
    for each in grouped:
        assert f'name="{each.name}"' in text
    assert 'placeholder="0.0002"' in text
    assert 'min="0" max="0.9999"' in text


def test_an_address_fills_every_field_in(sign_in_as: SignInAs, here: str):
    with read() as session:
        classes = dict(session.execute(select(LabelClass.name, LabelClass.id)).all())
    browser = sign_in_as("engineer")
    fields = {"start": "random", "trunk": "compact_cnn", "epochs": "7", "balance": "sampling", "mixup": "0.2"}
    fields |= {"no_flip": str(classes["Melon"]), "rotate_degrees": "3", "purpose": "throwaway", "lower": "36"}
    first = int(browser.post(f"{here}/train", data=fields).headers["location"].rpartition("/")[2])
    with read() as session:
        query = form_query(session.get_one(TrainingRun, first))
    text = browser.get(f"{here}/train?{query}").text
    for words in (
        'value="random" checked',
        'value="throwaway" checked',
        '<option value="compact_cnn" selected>',
        '<option value="sampling" selected>',
        f'<option value="{classes["Melon"]}" selected>',
        f'<option value="{classes["Pear"]}">',
    ):
        assert words in text
    shown = re.findall(
        r'<input type="number" value="([^"]*)" id="field-(epochs|mixup|rotate_degrees|lower|dropout)"', text
    )
    assert {name: float(value) for value, name in shown} == {
        "epochs": 7,
        "mixup": 0.2,
        "rotate_degrees": 3,
        "lower": 36,
        "dropout": 0.2,
    }
    assert 'id="check-flip-true" name="flip" value="true" aria' in text
    answer = browser.post(f"{here}/train", data={**fields, "again": "true", "epochs": "8"})
    assert answer.status_code == 303


def test_classes_that_a_mirror_changes_are_proposed_and_an_engineer_decides(
    sign_in_as: SignInAs, here: str, project: Project
):
    with write() as session:
        left = make_class(session, project.id, "Arrow left")
        make_class(session, project.id, "Arrow right")
    text = sign_in_as("engineer").get(f"{here}/train").text
    assert "<strong>Arrow left</strong> (mirrored, it is another class)" in text
    assert f'<option value="{left}" selected>' in text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Turn LEFT", "its name says a side"),
        ("Linksabbieger", "its name says a side"),
        ("Vorfahrtsschild", "something to read"),
        ("b", "a letter or digit"),
        ("7", "a letter or digit"),
        ("A", ""),
        ("8", ""),
        ("Cleft palate", ""),
        ("Design", ""),
        ("Lion", ""),
    ],
)
def test_names_tell_what_a_mirror_may_change(name: str, reason: str):
    assert [doubt.reason for doubt in mirror_doubts({1: name, 2: "Tiger"})] == ([reason] if reason else [])


def test_a_warm_start_is_proposed_once_there_is_a_version(sign_in_as: SignInAs, here: str, project: Project):
    made = tiny_version(project.id, ["Apple", "Melon"])
    browser = sign_in_as("engineer")
    page = browser.get(f"{here}/train").text
    assert 'value="warm" checked' in page
    assert f'<option value="{made.id}" selected>' in page
    fields = {"start": "warm", "parent_version_id": str(made.id), "trunk": "efficientnet_lite0"}
    fields |= {"input_size": "64", "rotate_degrees": "3"}
    browser.post(f"{here}/train", data=fields)
    with read() as session:
        recorded = session.scalars(select(TrainingRun)).one()
        assert (recorded.trunk, recorded.parent_version_id) == ("compact_cnn", made.id)
        assert recorded.config["fit"]["augmentation"]["rotate_degrees"] == 3
        assert not recorded.config["fit"]["augmentation"]["flip"]


def test_a_run_shows_its_epochs_as_charts_while_it_goes_on(sign_in_as: SignInAs, here: str, project: Project):
    run_id = start_training(TrainingRequest(project_id=project.id, start="head_only"))
    browser = sign_in_as("viewer")
    part = f"{here}/runs/{run_id}/training"
    assert "Charts appear with the first finished epoch" in browser.get(part).text
    record_epochs(run_id, [epoch(1), epoch(2), epoch(3, is_best=False)])
    text = browser.get(part).text
    for words in (
        "Loss by epoch",
        "Accuracy by epoch",
        "Learning rate by epoch",
        "0.420",
        "140",
        "the epoch that is kept",
    ):
        assert words in text
    assert f'data-fragment="{part}"' in browser.get(f"{here}/runs/{run_id}").text
    record_epochs(run_id, [EpochFigures(epoch, *[0.1] * 7, is_best=epoch == 900) for epoch in range(4, 1001)])
    assert browser.get(part).text.count(",") < 6000


def test_a_run_shows_its_worst_classes_its_mistakes_and_its_log(sign_in_as: SignInAs, here: str, project: Project):
    run_id = start_training(TrainingRequest(project_id=project.id, start="random", trunk="compact_cnn"))
    with read() as session:
        classes = dict(session.execute(select(LabelClass.name, LabelClass.id)).all())
        image_id = session.scalars(select(Image.id).where(Image.class_id == classes["Apple"])).first()
    apple, melon = classes["Apple"], classes["Melon"]
    record_epochs(run_id, [epoch(1)])
    mistakes = [[image_id, apple, melon, 0.93], [999_999, apple, melon, 0.9]]
    record_detail(run_id, [EpochDetails(1, True, [[apple, 6, 7], [melon, 2, 8]], mistakes)])
    write_log(run_id, [LogLine(now(), "The batch was halved: memory ran out.", "warning")])
    browser = sign_in_as("engineer")
    text = browser.get(f"{here}/runs/{run_id}/training").text
    assert text.index(">Melon</a>") < text.index(">Apple</a>")
    for words in ("2 of 8", "25%", "→ Melon", "93%", "Warning: The batch was halved", "1 line", 'data-live="loss"'):
        assert words in text
    assert "999999" not in text
    assert "Run again with changes" not in text
    with write() as session:
        session.execute(update(Run).where(Run.id == run_id).values(state="failed"))
    text = browser.get(f"{here}/runs/{run_id}/training").text
    assert "Run again with changes" in text
    assert 'data-live="loss"' not in text
    found = browser.get(f"/api/v1{here}/runs/{run_id}/training").json()
    assert found["epochs"][0]["number"] == 1
    assert found["detail"]["classes"][0] == {"class_id": melon, "name": "Melon", "right": 2, "seen": 8}
    assert found["detail"]["log"][0]["level"] == "warning"
    assert found["config"]["fit"]["epochs"] == 120
    assert (found["run"]["state"], found["version"]) == ("failed", None)


def test_a_throw_away_run_offers_the_normal_one_once_labelling_has_lifted_a_class(
    sign_in_as: SignInAs, here: str, project: Project
):
    run_id = start_training(TrainingRequest(project_id=project.id, start="head_only", purpose="throwaway"))
    with write() as session:
        session.execute(update(Run).where(Run.id == run_id).values(state="succeeded", result={}))
    browser = sign_in_as("engineer")
    part = f"{here}/runs/{run_id}/training"
    before = browser.get(part).text
    assert "3 more needed" in before
    assert "Train the normal run" not in before
    with write() as session:
        class_id = session.scalars(select(LabelClass.id).where(LabelClass.name == "Pear")).one()
        make_images(session, project.id, 3, class_id)
    after = browser.get(part).text
    assert "Labelling has lifted 1 of these classes to the cutoff" in after
    assert "Train the normal run" in after


def test_the_api_starts_a_run_for_an_engineers_token_alone(sign_in_as: SignInAs, here: str, project: Project):
    address = f"/api/v1{here}/runs"
    browser = sign_in_as("engineer")
    user_id = browser.user_id
    browser.cookies.clear()

    def ask(role: str, **body: object) -> object:
        token = make_api_token(user_id=user_id, project_id=project.id, role=role)
        return browser.post(address, json=body, headers={"Authorization": f"Bearer {token}"})

    assert ask("reviewer", start="head_only").status_code == 403
    made = ask("engineer", start="head_only", augmentation={"flip": False})
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["kind"]) == ("queued", "training.train")
    refused = ask("engineer", start="head_only", augmentation={"flip": False})
    assert refused.status_code == 409
    assert refused.json()["error"]["detail"]["run_id"] == made.json()["id"]
    assert ask("engineer", start="head_only", project_id=1).status_code == 422
    assert ask("engineer", start="warm").json()["error"]["code"] == "no_parent"
