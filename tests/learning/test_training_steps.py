"""Real training runs through the task's own function: tiny networks, few photos."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.core.storage import get_storage
from app.datasets.models import SnapshotImage
from app.embeddings.models import Embedding
from app.registry.artifacts import load_version
from app.registry.models import ModelVersion, VersionClass
from app.registry.queries import get_version
from app.runs.models import Run, RunState
from app.runs.service import request_cancel, request_stop, resume
from app.training.fit_settings import Augmentation
from app.training.models import Epoch, EpochDetail, RunLogLine, TrainingRun
from app.training.tensorboards import log_folder
from tests.factories.datasets import make_class
from tests.factories.predictions import run_now
from tests.factories.training import add_photos, project_of_photos, trained, trained_again
from tests.photos import photos
from worker.tasks.engine_steps import measure_engines

pytestmark = pytest.mark.usefixtures("installation")
LABELS = {"Apple": 14, "Melon": 14, "Pear": 14}
QUICK = {"trunk": "compact_cnn", "input_size": 32, "epochs": 2, "batch_size": 8}


def epochs_of(run_id: int) -> list[tuple[int, bool]]:
    with read() as session:
        return list(
            session.execute(
                select(Epoch.number, Epoch.is_best).where(Epoch.run_id == run_id).order_by(Epoch.number)
            ).all()
        )


@contextmanager
def once_an_epoch_is_written(act: Callable[..., object], *, after: int = 1) -> Iterator[None]:
    """Does `act` to the newest run from another thread, as a person would, once so many epochs are there."""

    def wait_and_act() -> None:
        for _ in range(1200):
            with read() as session:
                found = session.execute(
                    select(Epoch.run_id, Run.project_id).join(Run).where(Epoch.number >= after).limit(1)
                ).one_or_none()
            if found is not None:
                with write() as session:
                    act(session, *found)
                return
            time.sleep(0.05)

    person = threading.Thread(target=wait_and_act)
    person.start()
    yield
    person.join()


def check_what_the_live_page_shows(run: Run, classes: dict[str, int]) -> None:
    """Of a run of two epochs on all classes: details of the last epoch, a log, and curves for TensorBoard."""
    with read() as session:
        details = session.scalars(select(EpochDetail).where(EpochDetail.run_id == run.id)).all()
        log = session.scalars(select(RunLogLine.text).where(RunLogLine.run_id == run.id)).all()
        known = set(session.scalars(select(SnapshotImage.image_id)))
    assert 2 in [each.number for each in details]
    for detail in details:
        assert {class_id for class_id, _, _ in detail.per_class} <= set(classes.values())
        assert {image_id for image_id, *_ in detail.mistakes} <= known
    assert "of 3 classes train" in log[0]
    assert "weights of epoch" in log[-1]
    assert list(log_folder(run.project_id).glob(f"{run.id}/events*"))


def test_from_scratch_then_warm_then_head_only():
    project_id, classes = project_of_photos(LABELS)
    scratch = trained(project_id, start="random", **QUICK)
    assert scratch.state == RunState.SUCCEEDED, scratch.error_message
    assert scratch.result["number"] == 1
    assert scratch.result["parity"]["agreement"] == 1.0
    assert [number for number, _ in epochs_of(scratch.id)] == [1, 2]
    check_what_the_live_page_shows(scratch, classes)
    with read() as session:
        first = get_version(session, scratch.result["version_id"])
        names = session.scalars(
            select(VersionClass.name).where(VersionClass.version_id == first.id).order_by(VersionClass.position)
        ).all()
        recorded = session.get_one(TrainingRun, scratch.id)
        assert {"code_version", "keras", "device", "cores"} <= set(recorded.environment)
    assert names == list(LABELS)
    weights = get_storage().file_path("artifacts", first.trunk.weights_file)
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == first.trunk.digest
    assert load_version(first.id).class_ids == list(classes.values())
    chosen = run_now(project_id, "registry.measure_engines", {"version_id": first.id}, measure_engines)
    # Too few images to see 99%: whatever is fastest here, it computes as the trained network does.
    assert (chosen.result["precision"], load_version(first.id).trunk.plan.engine) == (
        "float32",
        chosen.result["engine"],
    )

    with write() as session:
        orange = make_class(session, project_id, "Orange")
    add_photos(project_id, photos(12, label="Orange"), class_id=orange, state="labelled")
    warm = trained(
        project_id,
        start="warm",
        parent_version_id=first.id,
        epochs=2,
        batch_size=8,
        keep_output=True,
        augmentation=Augmentation(no_flip=(classes["Pear"], orange)),
    )
    assert warm.state == RunState.SUCCEEDED, warm.error_message
    with read() as session:
        lineage = session.get_one(ModelVersion, warm.result["version_id"]).lineage
    assert lineage["is_parent_trunk"]
    assert lineage["step0_trunk_digest"] == first.trunk.digest != lineage["trunk_digest"]
    assert (lineage["popped_layer"], lineage["popped_classes"]) == ("scores", 3)
    assert (lineage["classes_added"], lineage["classes_removed"]) == (["Orange"], [])
    assert lineage["kept_output"] == list(LABELS)
    assert warm.result["gain"]["parent_epochs"] == 2

    head = trained(project_id, start="head_only", parent_version_id=first.id, epochs=3)
    assert head.state == RunState.SUCCEEDED, head.error_message
    with read() as session:
        made = get_version(session, head.result["version_id"])
        embedded = session.scalar(select(func.count()).where(Embedding.trunk_id == first.trunk.id))
        following = session.scalars(select(Run).where(Run.follows_run_id == head.id)).one()
        assert (following.kind, following.parameters) == ("evaluation.evaluate", {"version_id": made.id})
    assert made.trunk.id == first.trunk.id
    assert 0 < (embedded or 0) < head.result["images"]
    assert not any((get_storage().root / "work").glob("training-*/*"))

    kept = []
    for seed in (0, 1):
        on_views = trained(project_id, start="head_only", parent_version_id=first.id, epochs=2, views=2, seed=seed)
        assert on_views.state == RunState.SUCCEEDED, on_views.error_message
        kept.append(sorted((get_storage().root / "views").glob("*/*.views")))
    assert len(kept[0]) == 1
    assert kept[1] == kept[0]


def test_a_throw_away_run_stays_one_and_marks_the_classes_below_the_cutoff():
    project_id, _ = project_of_photos({"Apple": 14, "Melon": 14, "Pear": 9}, lower=12)
    run = trained(project_id, start="random", purpose="throwaway", lower=9, **QUICK)
    assert run.state == RunState.SUCCEEDED, run.error_message
    with read() as session:
        version = get_version(session, run.result["version_id"])
        below = session.scalars(
            select(VersionClass.name).where(VersionClass.version_id == version.id, VersionClass.below_cutoff)
        ).all()
        evaluation = session.scalars(select(Run).where(Run.follows_run_id == run.id)).one()
        assert [each["kind"] for each in evaluation.follow_ups] == ["identification.identify"]
    assert (version.throwaway, below) == (True, ["Pear"])


def test_a_run_without_its_weights_fails_in_plain_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    project_id, _ = project_of_photos({"Apple": 10, "Melon": 10})
    run = trained(project_id, start="head_only", trunk="mobilenet_v3_small", input_size=64)
    assert run.state == RunState.FAILED
    assert run.error_code == "weights_unavailable"
    assert "not at hand" in (run.error_message or "")


def test_a_cancelled_run_goes_on_from_its_last_epoch_and_a_stopped_one_keeps_the_best():
    project_id, _ = project_of_photos({"Apple": 10, "Melon": 10})
    long_run = {**QUICK, "epochs": 5000, "patience": 5000}
    with once_an_epoch_is_written(request_cancel):
        cancelled = trained(project_id, start="random", **long_run)
    assert cancelled.state == RunState.CANCELLED
    done = len(epochs_of(cancelled.id))
    with write() as session:
        resume(session, cancelled.id, project_id)
    with once_an_epoch_is_written(request_stop, after=done + 3):
        stopped = trained_again(cancelled.id)
    assert (stopped.state, stopped.stopped_early) == (RunState.SUCCEEDED, True), stopped.error_message
    numbers = [number for number, _ in epochs_of(stopped.id)]
    assert numbers == list(range(1, stopped.result["epochs"] + 1))
    assert done < len(numbers) < 5000
    assert any("Went on after epoch" in note for note in stopped.result["notes"])


def test_the_demo_s_first_run_needs_no_parent_and_leaves_the_trunk_alone():
    project_id, _ = project_of_photos({"Apple": 10, "Melon": 10})
    run = trained(project_id, start="head_only", input_size=64, epochs=30)
    assert run.state == RunState.SUCCEEDED, run.error_message
    again = trained(project_id, start="head_only", input_size=64, epochs=31)
    with read() as session:
        first, second = (get_version(session, each.result["version_id"]) for each in (run, again))
        lineage = session.get_one(ModelVersion, first.id).lineage
    assert lineage["step0_trunk_digest"] == lineage["trunk_digest"] == first.trunk.digest
    assert first.trunk == second.trunk
    assert run.result["validation_accuracy"] >= 0.5
