"""A new head is fitted to its trunk before both learn together."""

from pathlib import Path

import numpy as np
import pytest

from tests.learning import tiny
from worker.learning.averaging import AveragedWeights
from worker.learning.backend import keras, tf, to_numpy
from worker.learning.data import ImageSamples
from worker.learning.errors import ConfigInvalid, FitCancelled
from worker.learning.events import Event, Note
from worker.learning.fit import FitResult, fit
from worker.learning.settle import settle_head
from worker.learning.trunks import trunk_digest
from worker.learning.warm_start import start_network


def test_the_head_fits_the_trunk_as_it_is_and_the_trunk_stays(parent: FitResult, samples: ImageSamples):
    keras.utils.set_random_seed(7)
    config = tiny.settings("warm")
    started = start_network(config, class_count=3, parent_trunk=parent.trunk_path)
    rows = samples.train_rows
    images = samples.shards.read(rows).astype(np.float32)
    truth = samples.class_indices[rows]

    def right() -> float:
        return float((to_numpy(started.network(images, training=False)).argmax(axis=1) == truth).mean())

    before = right()
    assert settle_head(started.network, samples, config, class_count=3) == len(rows)
    assert right() > max(0.9, before)
    assert trunk_digest(started.trunk, started.card) == parent.trunk_digest
    assert all(layer.trainable for layer in started.network.layers)


def test_a_warm_run_settles_its_head_says_so_and_can_be_cancelled_while_it_does(
    parent: FitResult, samples: ImageSamples, tmp_path: Path
):
    events: list[Event] = []

    def warm(folder: str, *, is_cancelled: bool = False, **changes: object) -> FitResult:
        return fit(
            tiny.settings("warm", **{"epochs": 1, "settle_head": True, **changes}),
            samples,
            class_count=3,
            work_dir=tmp_path / folder,
            parent_trunk=parent.trunk_path,
            should_stop=lambda: "cancel" if is_cancelled else None,
            on_event=events.append,
        )

    def is_said() -> bool:
        return any(
            isinstance(each, Note) and "fitted to the trunk as it is, on 36 images" in each.text for each in events
        )

    warm("loose", settle_head=False)
    assert not is_said()
    settled = warm("settled")
    assert is_said()
    assert settled.step0_trunk_digest == parent.trunk_digest != settled.trunk_digest
    with pytest.raises(FitCancelled):
        warm("cancelled", is_cancelled=True)
    with pytest.raises(ConfigInvalid, match="no use for settle_head"):
        tiny.settings("random", settle_head=True)


def test_the_average_of_a_settled_start_keeps_its_memory_from_the_first_step():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    averages = {is_settled: AveragedWeights(network, 0.9, is_settled=is_settled) for is_settled in (True, False)}
    network.weights[0].assign(tf.ones((1, 1)))
    for each in averages.values():
        each.update(1)
    assert averages[True].values()[0].item() == pytest.approx(0.1)
    assert averages[False].values()[0].item() == pytest.approx(1 - 2 / 11)
