from pathlib import Path

import numpy as np
import pytest

from app.inference.head import load_head
from tests.learning import tiny
from worker.learning.artifacts import file_digest
from worker.learning.backend import keras, to_numpy
from worker.learning.data import ImageSamples, embedding_samples
from worker.learning.errors import ConfigInvalid, ManifestInvalid, WeightsUnavailable
from worker.learning.fit import FitResult, fit, fit_head
from worker.learning.trunks import read_trunk, trunk_digest
from worker.learning.warm_start import start_network


def test_a_warm_start_keeps_every_trunk_weight_and_gets_a_new_trainable_head(parent: FitResult):
    started = start_network(tiny.settings("warm"), class_count=5, parent_trunk=parent.trunk_path)
    assert started.step0_digest == parent.trunk_digest == file_digest(parent.trunk_path)
    assert trunk_digest(started.trunk, started.card) == parent.trunk_digest
    head = started.network.get_layer("scores")
    assert head.kernel.shape == (256, 5), "two classes were added"
    old = load_head(parent.head_path)
    assert not np.allclose(to_numpy(head.kernel)[:, :3], old.kernel)
    averages = [each for each in started.network.non_trainable_weights if "moving" not in each.name]
    assert averages == []
    assert all(layer.trainable for layer in started.network.layers)


def test_a_warm_start_at_another_input_size_has_the_same_weights(parent: FitResult):
    started = start_network(tiny.settings("warm", input_size=48), class_count=3, parent_trunk=parent.trunk_path)
    assert started.step0_digest == parent.trunk_digest
    assert started.card.input_size == 48


def test_after_a_warm_start_all_layers_move(parent: FitResult, samples: ImageSamples, tmp_path: Path):
    result = fit(
        tiny.settings("warm", epochs=1),
        samples,
        class_count=3,
        work_dir=tmp_path,
        parent_trunk=parent.trunk_path,
    )
    assert result.step0_trunk_digest == parent.trunk_digest
    assert result.trunk_digest == file_digest(result.trunk_path) != parent.trunk_digest
    before, after = read_trunk(parent.trunk_path)[0], read_trunk(result.trunk_path)[0]
    for old, new in zip(before.weights, after.weights, strict=True):
        assert not np.array_equal(to_numpy(old), to_numpy(new)), old.path


def test_head_only_leaves_the_trunk_and_learns_from_embeddings(parent: FitResult, tmp_path: Path):
    trunk = read_trunk(parent.trunk_path)[0]
    embeddings = to_numpy(trunk(tiny.pixels(tiny.SIZE, 16).astype(np.float32))).astype(np.float16)
    rows = tiny.manifest()
    result = fit_head(
        tiny.settings("head_only", epochs=30, patience=30, learning_rate=1e-2),
        embedding_samples(embeddings, [row.class_index for row in rows], [row.split for row in rows]),
        trunk_path=parent.trunk_path,
        class_count=3,
        work_dir=tmp_path,
    )
    assert result.trunk_path == parent.trunk_path
    assert result.trunk_digest == result.step0_trunk_digest == parent.trunk_digest
    assert file_digest(parent.trunk_path) == parent.trunk_digest
    assert result.history[-1].loss < result.history[0].loss
    head = load_head(result.head_path)
    scores = head.scores(embeddings.astype(np.float32))
    assert (scores.argmax(axis=1) == [row.class_index for row in rows]).mean() > 0.6


def test_embeddings_must_fit_the_trunk(parent: FitResult, tmp_path: Path):
    narrow = embedding_samples(np.zeros((4, 8), np.float16), [0, 1, 0, 1], ["train"] * 4)
    with pytest.raises(ConfigInvalid, match="256 wide"):
        fit_head(tiny.settings("head_only"), narrow, trunk_path=parent.trunk_path, class_count=2, work_dir=tmp_path)
    with pytest.raises(ManifestInvalid, match="not finite"):
        embedding_samples(np.full((2, 8), np.inf, np.float16), [0, 1], ["train"] * 2)
    with pytest.raises(ManifestInvalid, match="N classes"):
        embedding_samples(np.zeros((2, 8), np.float16), [0], ["train"] * 2)


def test_a_start_needs_what_it_starts_from(
    samples: ImageSamples, tmp_path: Path, parent: FitResult, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ConfigInvalid, match="earlier version"):
        start_network(tiny.settings("warm"), class_count=3)
    with pytest.raises(ConfigInvalid, match="architecture, compact_cnn"):
        start_network(
            tiny.settings("warm", trunk="mobilenet_v3_small", input_size=64),
            class_count=3,
            parent_trunk=parent.trunk_path,
        )
    with pytest.raises(ConfigInvalid, match="fit_head"):
        fit(tiny.settings("head_only"), samples, class_count=3, work_dir=tmp_path)
    with pytest.raises(WeightsUnavailable):
        start_network(
            tiny.settings("pretrained", trunk="mobilenet_v3_small", input_size=64),
            class_count=3,
            allow_download=False,
        )


def test_the_same_seed_starts_with_the_same_random_weights():
    digests = []
    for seed in (7, 7, 8):
        keras.utils.set_random_seed(seed)
        digests.append(start_network(tiny.settings(seed=seed), class_count=3).step0_digest)
    assert digests[0] == digests[1] != digests[2]
