import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.learning import tiny
from tests.learning.killed_run import EPOCHS, config
from worker.learning.artifacts import read_tensors
from worker.learning.backend import to_numpy
from worker.learning.checkpoints import CHECKPOINT, restore_checkpoint
from worker.learning.data import ImageSamples
from worker.learning.events import EpochDone, Event, Note
from worker.learning.fit import FitResult, fit
from worker.learning.warm_start import start_network

_ROOT = Path(__file__).parents[2]


def test_a_run_killed_in_its_third_epoch_ends_as_an_undisturbed_one(tmp_path: Path):
    killed = subprocess.run(
        [sys.executable, "-m", "tests.learning.killed_run", str(tmp_path / "shards"), str(tmp_path / "work")],
        cwd=_ROOT,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not (tmp_path / "work" / "trunk.safetensors").exists()

    samples = tiny.samples(tmp_path / "shards")
    events: list[Event] = []
    resumed = fit(config(), samples, class_count=3, work_dir=tmp_path / "work", on_event=events.append)
    undisturbed = fit(config(), samples, class_count=3, work_dir=tmp_path / "other")

    assert Note("Went on after epoch 2.") in events
    assert [event.epoch for event in events if isinstance(event, EpochDone)] == list(range(3, EPOCHS + 1))
    assert resumed.epochs_run == undisturbed.epochs_run == EPOCHS
    # 3 steps an epoch: 1/12 of the rate in the first step, 4/12 in the fourth.
    assert [epoch.learning_rate for epoch in resumed.history] == pytest.approx(
        [n * 1e-3 / 12 for n in (1, 4, 7, 10, 12)]
    )
    assert resumed.best_epoch == undisturbed.best_epoch
    for one, other in zip(resumed.history, undisturbed.history, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-3)
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-3)
        assert (one.is_best, one.learning_rate) == (other.is_best, other.learning_rate)


@pytest.mark.parametrize("damage", ["flip", "cut", "text"])
def test_a_damaged_checkpoint_is_discarded_with_a_note(parent: FitResult, tmp_path: Path, damage: str):
    source = parent.head_path.with_name(CHECKPOINT)
    fingerprint = read_tensors(source)[1]["fingerprint"]
    content = bytearray(source.read_bytes())
    content[-1000] ^= 255
    path = tmp_path / CHECKPOINT
    path.write_bytes({"flip": bytes(content), "cut": content[: len(content) // 2], "text": b"?"}[damage])
    network = start_network(tiny.settings(), class_count=3).network
    network.compile(optimizer="adamw", loss="categorical_crossentropy")
    network.optimizer.build(network.trainable_variables)
    before = [to_numpy(each) for each in network.variables]
    state, note = restore_checkpoint(path, network, fingerprint=fingerprint)
    assert note is not None
    assert "damaged" in note
    assert state.epochs_done == 0
    assert not path.exists()
    assert all(np.array_equal(to_numpy(each), old) for each, old in zip(network.variables, before, strict=True))


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(parent: FitResult, samples: ImageSamples, tmp_path: Path):
    shutil.copy(parent.head_path.with_name(CHECKPOINT), tmp_path)
    result = fit(tiny.settings(epochs=1, seed=99), samples, class_count=3, work_dir=tmp_path)
    assert any("another run" in note for note in result.notes)
    assert result.epochs_run == 1
