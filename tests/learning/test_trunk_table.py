import subprocess
import sys

import numpy as np
import pytest

from app.registry.trunks import DEFAULT_TRUNK, TRUNKS, find_trunk
from app.registry.weights import PACKAGED, PUBLISHED
from worker.learning import trunks
from worker.learning.applications import RESCALE, rescaled
from worker.learning.backend import keras, to_numpy
from worker.learning.convnext import take_keras_weights
from worker.learning.inception_v4 import build_inception_v4


def test_every_trunk_in_the_table_has_a_builder_and_the_reverse():
    assert set(TRUNKS) == set(trunks._BUILDERS)
    assert DEFAULT_TRUNK in TRUNKS


def test_the_table_is_read_without_tensorflow():
    code = "import sys, app.registry.trunks; print([name for name in sys.modules if name in ('tensorflow', 'keras')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


# One of each family; `bench/trunks.py` builds them all.
_FAMILIES = [
    "compact_cnn",
    "efficientnet_lite0",
    "mobilenet_v3_small",
    "efficientnet_v2_b0",
    "resnet50",
    "convnext_tiny",
]


@pytest.mark.parametrize("name", _FAMILIES)
def test_a_trunk_is_what_the_table_says(name: str):
    kind = TRUNKS[name]
    size = kind.allowed_input_sizes[0]
    trunk = trunks.build_trunk(name, size)
    assert trunk.input.name == "image"
    assert trunk.output_shape == (None, kind.embedding_width)
    assert trunk.count_params() == kind.parameters
    assert kind.default_input_size in kind.allowed_input_sizes
    embedding = to_numpy(trunk(np.full((2, size, size, 3), 255, np.float32), training=False))
    assert np.isfinite(embedding).all()
    assert np.abs(embedding).max() < 1e3, "0..255 goes in, so it is rescaled inside"


def test_each_trunk_says_where_its_weights_come_from():
    sources = dict.fromkeys(PACKAGED, "package") | dict.fromkeys(PUBLISHED, "applications")
    assert {name: sources.get(name, "none") for name in TRUNKS} == {
        name: kind.pretrained for name, kind in TRUNKS.items()
    }


def test_pixels_are_preprocessed_within_the_network_as_each_family_expects():
    image = np.array([[[[0, 127, 255]]]], np.float32)
    given = keras.Input((1, 1, 3))
    found = {name: to_numpy(keras.Model(given, rescaled(given, how))(image)).ravel() for name, how in RESCALE.items()}
    assert found["ResNet50"] == pytest.approx([255 - 103.939, 127 - 116.779, -123.68], abs=1e-3)
    assert found["InceptionV3"] == pytest.approx([-1, -0.0039, 1], abs=1e-3)
    assert found["EfficientNetV2B0"] == pytest.approx([-0.485 / 0.229, (127 / 255 - 0.456) / 0.224, 0.594 / 0.225])
    assert found["EfficientNetV2S"] == pytest.approx([-1, -0.0078, 0.9922], abs=1e-3)


def test_inception_v4_has_the_stages_and_the_weights_of_its_paper():
    trunk = build_inception_v4(299)
    stages = {"stem_6_join": (35, 384), "a3_join": (35, 384), "b6_join": (17, 1024), "c2_join": (8, 1536)}
    assert {name: tuple(trunk.get_layer(name).output.shape[2:]) for name in stages} == stages
    classifier = 1536 * 1000 + 1000
    assert sum(int(np.prod(each.shape)) for each in trunk.trainable_weights) + classifier == 42_679_816
    assert trunk.count_params() == TRUNKS["inception_v4"].parameters


def test_convnext_gives_the_embeddings_of_the_one_in_keras():
    network = keras.applications.ConvNeXtTiny(input_shape=(64, 64, 3), include_top=False, pooling="avg", weights=None)
    random = np.random.default_rng(0)
    for layer in network.layers:
        for each in layer.weights:
            each.assign(random.normal(1 if "gamma" in each.name else 0, 0.05, each.shape))
    trunk = trunks.build_trunk("convnext_tiny", 64)
    take_keras_weights(trunk, network)
    images = random.uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    wanted = to_numpy(network(images, training=False))
    assert to_numpy(trunk(images, training=False)) == pytest.approx(wanted, abs=1e-4)


def test_a_trunk_of_counted_layers_fits_in_another_process():
    """Keras names the layers of Inception V3 by what was built before."""
    trunk = trunks.build_trunk("inception_v3", 75)
    names = [layer.name for layer in trunk.layers if layer.weights]
    assert names[:3] == ["conv2d_001", "batchnormalization_001", "conv2d_002"]
    assert len(trunks.trunk_tensors(trunk)) == len(trunk.weights) == 376


def test_an_unknown_trunk_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="compact_cnn"):
        find_trunk("resnet9000")
