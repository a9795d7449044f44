"""Faults around a training run: each ends it in a plain state with a reason, and registers nothing."""

from __future__ import annotations

import resource

import pytest
from sqlalchemy import func, select, update

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.storage import get_storage
from app.labelling.class_merge import merge_classes
from app.library.models import Image
from app.registry.models import ModelVersion
from app.registry.queries import version_classes
from app.runs.models import RunState
from app.runs.service import resume
from app.training.models import Epoch
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from tests.factories.accounts import make_user
from tests.factories.registry import tiny_version
from tests.factories.training import project_of_photos, trained, trained_again

pytestmark = pytest.mark.usefixtures("installation")
QUICK = {"trunk": "compact_cnn", "input_size": 32, "epochs": 2, "batch_size": 8}
_MIB = 2**20


def versions() -> int:
    with read() as session:
        return session.scalar(select(func.count(ModelVersion.id))) or 0


def test_a_full_disk_ends_the_run_with_the_space_left_and_a_resume_ends_it_well():
    """A limit on the size of a file stands in for the disk: the checkpoint is beyond it, the database is not."""
    project_id, _ = project_of_photos({"Apple": 10, "Melon": 10})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12 * _MIB, before[1]))
    try:
        full = trained(project_id, start="random", **QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (full.state, full.error_code) == (RunState.FAILED, "disk_full"), full.error_message
    assert "MiB are free" in full.error_message
    assert versions() == 0
    with write() as session:
        resume(session, full.id, project_id)
    again = trained_again(full.id)
    assert again.state == RunState.SUCCEEDED, again.error_message
    with read() as session:
        assert session.scalars(select(Epoch.number).order_by(Epoch.number)).all() == [1, 2]


def test_a_shard_damaged_between_two_attempts_is_packed_anew():
    project_id, _ = project_of_photos({"Apple": 10, "Melon": 10})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12 * _MIB, before[1]))
    try:
        first = trained(project_id, start="random", **QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert first.error_code == "disk_full"
    (shard,) = (get_storage().root / "shards").rglob("*.shard")
    whole = shard.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    shard.write_bytes(damaged)
    with write() as session:
        resume(session, first.id, project_id)
    again = trained_again(first.id)
    assert again.state == RunState.SUCCEEDED, again.error_message
    assert shard.read_bytes() == whole


def test_a_snapshot_whose_classes_have_gone_since_trains_as_it_was_frozen():
    project_id, classes = project_of_photos({"Apple": 10, "Melon": 10, "Pear": 10})
    run_id = start_training(TrainingRequest(project_id=project_id, start="random", **QUICK))
    with write() as session:
        member_id = make_user(session).id
        for gone in ("Pear", "Melon"):
            merge_classes(
                session,
                project_id=project_id,
                source_id=classes[gone],
                target_id=classes["Apple"],
                user_id=member_id,
            )
    run = trained_again(run_id)
    assert run.state == RunState.SUCCEEDED, run.error_message
    with read() as session:
        known = version_classes(session, run.result["version_id"])
    assert [each.name for each in known] == ["Apple", "Melon", "Pear"]
    # What it was frozen from is gone: today's data set has one class, and the next run says so.
    with pytest.raises(InvalidInput, match="class"):
        start_training(TrainingRequest(project_id=project_id, start="random", **QUICK))


def test_a_class_whose_images_are_gone_since_the_snapshot_is_named():
    project_id, classes = project_of_photos({"Apple": 10, "Melon": 10, "Pear": 10})
    asked = TrainingRequest(project_id=project_id, start="random", **QUICK)
    run_id = start_training(asked)
    with write() as session:
        session.execute(update(Image).where(Image.class_id == classes["Pear"]).values(rendition_pack=None))
    run = trained_again(run_id)
    assert (run.state, run.error_code) == (RunState.FAILED, "manifest_invalid")
    assert "any more of: Pear (purged or unreadable" in run.error_message
    assert versions() == 0


def test_a_parent_whose_files_are_gone_is_named():
    project_id, _ = project_of_photos({"Apple": 10, "Melon": 10})
    parent = tiny_version(project_id, ["Apple", "Melon"])  # registered without the weights that a warm start needs
    run = trained(project_id, start="warm", parent_version_id=parent.id, input_size=32, epochs=1)
    assert (run.state, run.error_code) == (RunState.FAILED, "parent_gone")
    assert f"Version {parent.number}, which the run starts from, is no longer whole" in run.error_message
