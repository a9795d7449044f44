"""Options of the loop, each told by what it does to a tiny network that really trains."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.head import load_head
from tests.learning import tiny
from worker.learning.averaging import AveragedWeights
from worker.learning.backend import keras, tf, to_numpy
from worker.learning.data import ImageSamples
from worker.learning.events import EpochDetail, EpochDone, Event, Note
from worker.learning.export import export_trunk
from worker.learning.fit import FitResult, fit
from worker.learning.optimiser import LayeredAdamW, class_weights, depth_shares
from worker.learning.parity import check_exported, keras_scorer
from worker.learning.trunks import read_trunk
from worker.learning.warm_start import ParentHead, start_network


def _stepped(optimiser: Any, gradients: list[float | None], start: float = 2.0) -> list[float]:
    """Where a kernel goes by these gradients; none: frozen in that step."""
    kernel = keras.Variable([start], name="kernel")
    other = keras.Variable([start], name="bias")
    optimiser.build([kernel, other])
    for gradient in gradients:
        given = [(tf.constant([1.0]), other)]
        if gradient is not None:
            given.append((tf.constant([gradient]), kernel))
        optimiser.apply_gradients(given)
    return [float(to_numpy(each)[0]) for each in (kernel, other)]


def test_the_optimiser_is_adamw_where_every_share_is_one():
    gradients: list[float | None] = [0.5, -2.0, 0.1, 3.0]
    theirs = keras.optimizers.AdamW(0.1, weight_decay=0.01)
    theirs.exclude_from_weight_decay(var_names=["bias"])
    ours = LayeredAdamW(0.1, weight_decay=0.01, shares=[1.0, 1.0])
    assert _stepped(ours, gradients) == pytest.approx(_stepped(theirs, gradients), rel=1e-5)


def test_a_weight_that_thaws_late_steps_as_a_new_one_and_a_share_scales_its_rate():
    late = LayeredAdamW(0.1, weight_decay=0.01, shares=[1.0, 1.0])
    fresh = LayeredAdamW(0.1, weight_decay=0.01, shares=[1.0, 1.0])
    assert _stepped(late, [*[None] * 50, 0.5, 0.5])[0] == pytest.approx(_stepped(fresh, [0.5, 0.5])[0], rel=1e-6)
    slow = LayeredAdamW(0.1, weight_decay=0.0, shares=[0.1, 1.0])
    moved = [2.0 - each for each in _stepped(slow, [1.0])]
    assert moved[0] == pytest.approx(moved[1] / 10, rel=1e-4)


def test_shares_fall_geometrically_from_the_head_to_the_stem():
    network = start_network(tiny.settings(), class_count=3).network
    shares = depth_shares(network, 0.01)
    assert (shares[0], shares[-1]) == (pytest.approx(0.01), 1.0)
    assert shares == sorted(shares)
    by_layer = sorted(set(shares))
    ratios = [high / low for low, high in pairwise(by_layer)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


def test_the_trunk_thaws_from_the_top_down(parent: FitResult, samples: ImageSamples, tmp_path: Path):
    def trained(epochs: int) -> tuple[FitResult, list[Event]]:
        events: list[Event] = []
        config = tiny.settings("warm", epochs=epochs, patience=9, unfreeze_epochs=2, learning_rate=1e-4)
        work_dir = tmp_path / str(epochs)
        return fit(
            config,
            samples,
            class_count=3,
            work_dir=work_dir,
            parent_trunk=parent.trunk_path,
            on_event=events.append,
        ), events

    head_alone, _ = trained(1)
    assert head_alone.trunk_digest == parent.trunk_digest, "norms of frozen layers keep their averages too"
    half, events = trained(2)
    assert Note("Epoch 2: 7 of 14 layers learn.") in events
    before, after = read_trunk(parent.trunk_path)[0], read_trunk(half.trunk_path)[0]
    if half.best_epoch == 2:
        moved = [
            not np.array_equal(to_numpy(old), to_numpy(new))
            for old, new in zip(before.trainable_weights, after.trainable_weights, strict=True)
        ]
        assert moved == sorted(moved)
        assert (moved[0], moved[-1]) == (False, True)


def test_averaged_weights_are_what_is_validated_and_kept(samples: ImageSamples, tmp_path: Path):
    config = tiny.settings(ema=0.9)
    result = fit(config, samples, class_count=3, work_dir=tmp_path)
    rows = samples.validation_rows
    scores = keras_scorer(result.trunk_path, result.head_path)(samples.shards.read(rows))
    best = result.history[result.best_epoch - 1]
    assert (scores.argmax(axis=1) == samples.class_indices[rows]).mean() == pytest.approx(best.val_accuracy)


def test_an_average_forgets_the_start_and_gives_the_weights_back():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    averages = AveragedWeights(network, 0.9)
    network.set_weights([np.ones((1, 1), np.float32)])
    for step in range(1, 101):
        averages.update(step)
    with averages.in_place():
        assert 0.99 < float(network.get_weights()[0][0, 0]) < 1.0
    assert float(network.get_weights()[0][0, 0]) == 1.0


def test_class_weights_make_classes_count_alike():
    weights = class_weights(np.array([0] * 6 + [1] * 2 + [2] * 4), 3)
    assert [weights[place] * count for place, count in enumerate((6, 2, 4))] == pytest.approx([4, 4, 4])


def test_mixed_precision_leaves_weights_and_export_in_float32(samples: ImageSamples, tmp_path: Path):
    config = tiny.settings(precision="mixed", balance="class_weights", epochs=2)
    started = start_network(config, class_count=3)
    assert started.trunk.get_layer("stage0_a").compute_dtype in {"bfloat16", "float16"}
    assert started.network.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    result = fit(config, samples, class_count=3, work_dir=tmp_path)
    assert {str(to_numpy(each).dtype) for each in read_trunk(result.trunk_path)[0].weights} == {"float32"}
    exported = export_trunk(result.trunk_path, tmp_path / "trunk.onnx")
    report = check_exported(
        samples.shards.read(samples.validation_rows),
        trunk_path=result.trunk_path,
        head_path=result.head_path,
        onnx_path=exported.path,
    )
    assert report.agreement == 1


def test_output_weights_of_classes_that_stay_are_kept(parent: FitResult):
    old = load_head(parent.head_path)
    started = start_network(
        tiny.settings("warm", keep_output=True),
        class_count=4,
        parent_trunk=parent.trunk_path,
        parent_head=ParentHead(parent.head_path, {0: 2, 3: 0}),
    )
    kernel, bias = (to_numpy(each) for each in started.network.get_layer("scores").weights)
    assert np.array_equal(kernel[:, [0, 3]], old.kernel[:, [2, 0]])
    assert np.array_equal(bias[[0, 3]], old.bias[[2, 0]])
    assert not np.isin(kernel[:, [1, 2]], old.kernel).any()


def test_each_epoch_tells_its_classes_and_surest_mistakes(samples: ImageSamples, tmp_path: Path):
    events: list[Event] = []
    fit(
        tiny.settings(epochs=2),
        samples,
        class_count=3,
        work_dir=tmp_path,
        on_event=events.append,
        scalars_dir=tmp_path / "curves",
    )
    details = [event for event in events if isinstance(event, EpochDetail)]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert [each.epoch for each in details] == [1, 2]
    for detail, epoch in zip(details, epochs, strict=True):
        assert [seen for _, _, seen in detail.per_class] == [4, 4, 4]
        right = sum(right for _, right, _ in detail.per_class)
        assert right / 12 == pytest.approx(epoch.val_accuracy)
        assert len(detail.mistakes) == min(12, 12 - right)
        assert all(samples.class_indices[each.row] == each.true != each.answered for each in detail.mistakes)
        sureness = [each.confidence for each in detail.mistakes]
        assert sureness == sorted(sureness, reverse=True)
    assert any((tmp_path / "curves").iterdir())
