from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.engine import TrunkEngine
from app.inference.head import load_head
from app.registry.trunks import TRUNKS
from tests.learning import tiny
from worker.learning.applications import RESCALE, rescaled
from worker.learning.backend import keras, to_numpy
from worker.learning.convnext import build_convnext_tiny
from worker.learning.errors import ConfigInvalid, ExportFailed, ParityBroken, WeightsRefused
from worker.learning.export import _compare, _convert, _finish, export_trunk
from worker.learning.fit import FitResult
from worker.learning.parity import check_exported, check_parity
from worker.learning.trunks import build_trunk, card_of, read_trunk, save_trunk

# `bench/trunks.py` exports every trunk. The kinds with deep networks follow below, with fewer blocks.
_KINDS = ["compact_cnn", "efficientnet_lite0", "mobilenet_v3_small"]


def _parts_of_resnet_and_inception() -> Any:
    """What ResNet50, EfficientNetV2 and the Inceptions have that no other kind has, in one small network."""
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.ZeroPadding2D(3)(rescaled(image, RESCALE["ResNet50"]))
    x = keras.layers.Conv2D(8, 7, strides=2, activation="silu")(x)
    average = keras.layers.AveragePooling2D(3, strides=1, padding="same")(x)
    across = keras.layers.Conv2D(4, (1, 7), padding="same")(x)
    x = keras.layers.MaxPooling2D(3, strides=2)(keras.layers.Concatenate()([average, across]))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize("name", _KINDS)
def test_an_exported_trunk_gives_keras_embeddings_at_any_batch(name: str, tmp_path: Path):
    keras.utils.set_random_seed(1)
    size = TRUNKS[name].allowed_input_sizes[0]
    trunk = build_trunk(name, size)
    digest = save_trunk(trunk, card_of(trunk, name), tmp_path / "trunk.safetensors")
    report = export_trunk(tmp_path / "trunk.safetensors", tmp_path / "trunk.onnx")
    assert report.trunk_digest == digest
    engine = TrunkEngine(tmp_path / "trunk.onnx", threads=1)
    assert (engine.input_size, engine.width) == (size, TRUNKS[name].embedding_width)
    _assert_same_embeddings(trunk, engine)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("kind", "build"),
    [
        ("convnext_tiny", partial(build_convnext_tiny, 64, depths=(1, 1, 1, 1))),
        ("resnet50", _parts_of_resnet_and_inception),
    ],
)
def test_the_parts_of_a_deep_trunk_export(kind: str, build: Callable[[], Any], tmp_path: Path):
    trunk = build()
    _convert(trunk, tmp_path / "trunk.onnx")
    _finish(tmp_path / "trunk.onnx", card_of(trunk, kind), "0" * 64)
    _assert_same_embeddings(trunk, TrunkEngine(tmp_path / "trunk.onnx", threads=1))


def _assert_same_embeddings(trunk: Any, engine: TrunkEngine) -> None:
    """At batches of 1, 7 and 16, and with a last one that is not full."""
    images = tiny.pixels(engine.input_size, 16)[:17]
    trained = to_numpy(trunk(images.astype(np.float32), training=False))
    for batch in (1, 7, 16):
        exported = engine.embed(images, batch=batch)
        assert np.abs(trained - exported).max() <= 1e-4 * max(1.0, np.abs(trained).max())


def test_a_trained_version_answers_the_same_when_exported(parent: FitResult, tmp_path: Path):
    export_trunk(parent.trunk_path, tmp_path / "trunk.onnx")
    report = check_exported(
        tiny.pixels(tiny.SIZE, 16),
        trunk_path=parent.trunk_path,
        head_path=parent.head_path,
        onnx_path=tmp_path / "trunk.onnx",
        threads=1,
    )
    assert report.images == 48
    assert report.agreement == 1
    assert report.largest_difference < 1e-4


def test_an_export_with_another_answer_is_refused():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    trained = np.array([[0.6, 0.4], [0.5002, 0.4998], [0.1, 0.9], [0.7, 0.3]], np.float32)
    close, wrong = trained.copy(), trained.copy()
    close[1] = [0.4998, 0.5002]  # not sure, so it may differ
    wrong[2] = [0.9, 0.1]
    report = check_parity(images, trained=lambda _: trained, exported=lambda _: close)
    assert (report.sure, report.agreement) == (3, 1.0)
    with pytest.raises(ParityBroken, match=r"66\.67% of 3"):
        check_parity(images, trained=lambda _: trained, exported=lambda _: wrong)
    with pytest.raises(ParityBroken):
        check_parity(images, trained=lambda _: trained, exported=lambda _: trained[:, :1])
    with pytest.raises(ConfigInvalid):
        check_parity(images[:0], trained=lambda _: trained, exported=lambda _: trained)


def test_an_export_of_other_weights_does_not_pass(parent: FitResult, tmp_path: Path):
    export_trunk(parent.trunk_path, tmp_path / "trunk.onnx")
    trunk, card = read_trunk(parent.trunk_path)
    trunk.weights[0].assign(to_numpy(trunk.weights[0]) * 2 + 1)
    with pytest.raises(ExportFailed, match="other embeddings"):
        _compare(trunk, card, tmp_path / "trunk.onnx")


def test_a_file_that_is_no_trunk_is_not_exported(parent: FitResult, tmp_path: Path):
    with pytest.raises(WeightsRefused):
        export_trunk(parent.head_path, tmp_path / "trunk.onnx")
    assert not (tmp_path / "trunk.onnx").exists()
    assert load_head(parent.head_path).classes == 3
