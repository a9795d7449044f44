"""Smaller versions through the task's own function: int8 and pruned, measured, compared, and what is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.storage import get_storage
from app.registry.artifacts import load_version
from app.registry.models import ModelVersion
from app.registry.queries import get_version
from app.runs.models import Run, RunState
from app.training.compression import CompressionRequest, request_compression
from app.training.queries import defaults_for
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from tests.factories.registry import tiny_version
from tests.factories.runs import reread
from tests.factories.training import project_of_photos, trained
from tests.web_client import SignInAs
from worker.execution import execute_run
from worker.learning.artifacts import read_tensors
from worker.tasks.compression_steps import compress_version

pytestmark = pytest.mark.usefixtures("installation")


def made_smaller(version_id: int, **asked: object) -> Run:
    with write() as session:
        version = get_version(session, version_id)
        run_id = request_compression(session, CompressionRequest.model_validate(asked), version=version, user_id=None)
    execute_run(run_id, compress_version)
    return reread(run_id)


def test_a_version_is_made_smaller_both_ways_and_each_is_a_version_of_its_own():
    project_id, _ = project_of_photos({"Apple": 16, "Melon": 16})
    source = trained(project_id, start="random", trunk="compact_cnn", input_size=48, epochs=5, batch_size=8)
    source_id = source.result["version_id"]

    int8 = made_smaller(source_id, method="int8")
    assert int8.state == RunState.SUCCEEDED, int8.error_message
    assert int8.result["bytes_after"] < 0.4 * int8.result["bytes_before"]
    assert int8.result["agreement"] >= 0.99
    assert int8.follow_ups[0]["kind"] == "evaluation.evaluate"
    loaded = load_version(int8.result["version_id"])
    assert (loaded.trunk.ref.precision, loaded.version.parent_id) == ("int8", source_id)
    assert loaded.trunk.ref.id != load_version(source_id).trunk.ref.id

    pruned = made_smaller(source_id, method="pruned", share=0.4)
    assert pruned.state == RunState.SUCCEEDED, pruned.error_message
    assert 0.35 < pruned.result["zeros"] < 0.45
    with read() as session:
        trunk = get_version(session, pruned.result["version_id"]).trunk
    tensors, _ = read_tensors(get_storage().file_path("artifacts", trunk.weights_file))
    kernels = [value for value in tensors.values() if value.ndim > 1]
    assert all(0.35 < (kernel == 0).mean() < 0.5 for kernel in kernels)

    again = made_smaller(source_id, method="int8")
    assert load_version(again.result["version_id"]).trunk.ref.exported_digest == loaded.trunk.ref.exported_digest
    with pytest.raises(InvalidInput, match="train on from the version that it was made from"):
        start_training(
            TrainingRequest(project_id=project_id, start="warm", parent_version_id=int8.result["version_id"])
        )
    with read() as session:
        parent = defaults_for(session, project_id).parent
    assert parent is not None
    assert parent.id == pruned.result["version_id"]  # the newest that can be trained on from


def test_without_images_nothing_is_registered():
    project_id, _ = project_of_photos({"Apple": 2, "Melon": 2})
    version = tiny_version(project_id, ["Apple", "Melon"])
    ended = made_smaller(version.id, method="int8")
    assert ended.state == RunState.FAILED
    assert "None of the images" in (ended.error_message or "")
    with read() as session:
        assert session.scalar(select(func.count()).select_from(ModelVersion)) == 1


def test_the_page_asks_and_refuses_by_rule(sign_in_as: SignInAs, project: object):
    version = tiny_version(project.id, ["Apple", "Melon"])  # type: ignore[attr-defined]
    throwaway = tiny_version(project.id, ["Apple", "Melon"], seed=3, throwaway=True)  # type: ignore[attr-defined]
    browser, base = sign_in_as("engineer"), f"/projects/{project.slug}"  # type: ignore[attr-defined]
    page = f"{base}/models/{version.number}/smaller"
    assert sign_in_as("reviewer").get(page).status_code == 403
    assert "Make it smaller" in browser.get(f"{base}/models/{version.number}").text
    assert "about a quarter of the size" in browser.get(page).text
    refused = browser.post(page, data={"method": "pruned", "share": "1"})
    assert (refused.status_code, "Share must be below 1" in refused.text) == (422, True)
    asked = browser.post(page, data={"method": "pruned", "share": "0.5"})
    assert "Make version 1 smaller by pruning 50%" in browser.get(asked.headers["location"]).text
    barred = browser.post(f"{base}/models/{throwaway.number}/smaller", data={"method": "int8"})
    assert (barred.status_code, "never a parent" in barred.text) == (422, True)
