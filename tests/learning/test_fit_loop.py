import math
from pathlib import Path

import numpy as np
import pytest

from tests.learning import tiny
from worker.learning.data import ImageSamples, ManifestRow, pack_manifest
from worker.learning.errors import FitCancelled, LossNotFinite, ManifestInvalid
from worker.learning.events import EpochDone, Event, Note
from worker.learning.fit import FitResult, fit
from worker.learning.parity import keras_scorer
from worker.learning.trunks import read_trunk, save_trunk


def _epochs(events: list[Event]) -> list[EpochDone]:
    return [event for event in events if isinstance(event, EpochDone)]


def test_each_epoch_is_told_once_and_kept_in_the_result(samples: ImageSamples, tmp_path: Path):
    events: list[Event] = []
    result = fit(tiny.settings(), samples, class_count=3, work_dir=tmp_path, on_event=events.append)
    assert [epoch.epoch for epoch in _epochs(events)] == [1, 2, 3]
    assert tuple(_epochs(events)) == result.history
    assert result.epochs_run == 3
    assert result.monitored == "val_loss"
    best = min(result.history, key=lambda epoch: epoch.val_loss)
    assert result.history[result.best_epoch - 1].is_best
    assert result.history[result.best_epoch - 1].val_loss <= best.val_loss + 1e-3
    assert result.images_per_second > 0


def test_the_weights_kept_are_those_of_the_best_epoch(samples: ImageSamples, tmp_path: Path):
    result = fit(tiny.settings(epochs=4, patience=4, learning_rate=3e-2), samples, class_count=3, work_dir=tmp_path)
    score = keras_scorer(result.trunk_path, result.head_path)
    rows = samples.validation_rows
    found = (score(samples.shards.read(rows)).argmax(axis=1) == samples.class_indices[rows]).mean()
    assert found == pytest.approx(result.history[result.best_epoch - 1].val_accuracy, abs=1e-6)


def test_training_stops_when_nothing_gets_better_and_cuts_the_rate_before(samples: ImageSamples, tmp_path: Path):
    # A rate this small teaches nothing, so every epoch after the first is without gain.
    config = tiny.settings(epochs=30, patience=4, learning_rate=1e-8)
    unflipped = config.augmentation.model_copy(update={"flip": False})
    frozen = config.changed(dropout=0.0, augmentation=unflipped)
    result = fit(frozen, samples, class_count=3, work_dir=tmp_path)
    assert result.stopped_early
    assert result.epochs_run < 30
    assert result.epochs_run == result.best_epoch + 4
    assert result.history[-1].learning_rate < result.history[0].learning_rate


def test_stop_keeps_the_best_so_far(samples: ImageSamples, tmp_path: Path):
    events: list[Event] = []
    result = fit(
        tiny.settings(epochs=50, patience=50),
        samples,
        class_count=3,
        work_dir=tmp_path,
        on_event=events.append,
        should_stop=lambda: "stop" if len(_epochs(events)) >= 2 else None,
    )
    assert result.stopped_early
    assert 2 <= result.epochs_run <= 3
    assert result.trunk_path.is_file()
    assert result.head_path.is_file()
    again = fit(tiny.settings(epochs=50, patience=50), samples, class_count=3, work_dir=tmp_path)
    assert again.epochs_run == result.epochs_run, "a finished run that is delivered twice stays finished"
    assert (again.trunk_digest, again.head_digest) == (result.trunk_digest, result.head_digest)


def test_cancel_ends_the_run_without_a_version(samples: ImageSamples, tmp_path: Path):
    events: list[Event] = []
    with pytest.raises(FitCancelled):
        fit(
            tiny.settings(epochs=50, patience=50),
            samples,
            class_count=3,
            work_dir=tmp_path,
            on_event=events.append,
            should_stop=lambda: "cancel" if _epochs(events) else None,
        )
    assert len(_epochs(events)) <= 2
    assert not (tmp_path / "trunk.safetensors").exists()


def test_without_validation_images_the_training_loss_is_watched_and_it_says_so(tmp_path: Path):
    samples = tiny.samples(tmp_path / "shards", validation=0)
    events: list[Event] = []
    result = fit(tiny.settings(epochs=1), samples, class_count=3, work_dir=tmp_path, on_event=events.append)
    assert result.monitored == "loss"
    assert result.history[0].val_loss is None
    assert any("no validation images" in note for note in result.notes)
    assert any(isinstance(event, Note) for event in events)


def test_a_loss_that_is_no_number_ends_the_run_in_plain_words(parent: FitResult, samples: ImageSamples, tmp_path: Path):
    trunk, card = read_trunk(parent.trunk_path)
    trunk.weights[0].assign(np.full(trunk.weights[0].shape, math.inf, np.float32))
    save_trunk(trunk, card, tmp_path / "trunk.safetensors")
    with pytest.raises(LossNotFinite, match="learning rate"):
        fit(
            tiny.settings("warm"),
            samples,
            class_count=3,
            work_dir=tmp_path / "work",
            parent_trunk=tmp_path / "trunk.safetensors",
        )


def test_classes_that_cannot_be_trained_are_refused_before_the_start(samples: ImageSamples, tmp_path: Path):
    with pytest.raises(ManifestInvalid, match="at least 2 classes"):
        fit(tiny.settings(), samples, class_count=1, work_dir=tmp_path)
    with pytest.raises(ManifestInvalid, match=r"have none: \[3, 4\]"):
        fit(tiny.settings(), samples, class_count=5, work_dir=tmp_path)
    with pytest.raises(ManifestInvalid, match="within 0 and 1"):
        fit(tiny.settings(), samples, class_count=2, work_dir=tmp_path)
    with pytest.raises(ManifestInvalid, match="no training images"):
        pack_manifest([ManifestRow(100, 0, "test")], tiny.reader(), folder=tmp_path, input_size=32)
