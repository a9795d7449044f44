import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from app.registry.trunks import TRUNKS
from app.registry.weights import PUBLISHED, packaged_file
from tests.learning import tiny
from worker.learning.backend import keras, to_numpy
from worker.learning.efficientnet_lite import find_weights, load_imagenet_weights
from worker.learning.errors import ConfigInvalid, WeightsRefused, WeightsUnavailable
from worker.learning.fit import FitResult
from worker.learning.pretrained import find_application_weights, load_application_weights
from worker.learning.torch_weights import read_torch_weights
from worker.learning.trunks import build_trunk, read_trunk, write_starting_trunk

_IMAGENET_GRANNY_SMITH, _IMAGENET_ORANGE = 948, 950


def test_the_packaged_imagenet_weights_name_real_photos():
    trunk = build_trunk("efficientnet_lite0", 224)
    load_imagenet_weights(trunk, "efficientnet_lite0")
    images = tiny.pixels(224, 8)[:16].astype(np.float32)
    tensors = read_torch_weights(find_weights("efficientnet_lite0"))
    logits = to_numpy(trunk(images, training=False)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    apples, oranges = logits[:8].argmax(axis=1), logits[8:].argmax(axis=1)
    assert (apples == _IMAGENET_GRANNY_SMITH).mean() >= 0.8
    assert (oranges == _IMAGENET_ORANGE).mean() >= 0.6


def test_a_larger_lite_network_is_that_of_its_package():
    name = "efficientnet_lite2"  # deeper and wider
    if packaged_file(name) is None:
        pytest.skip("the extra more-weights is not installed")
    trunk = build_trunk(name, 64)
    load_imagenet_weights(trunk, name)
    packaged = read_torch_weights(find_weights(name))
    held = sum(each.size for key, each in packaged.items() if not key.startswith("_fc") and "num_batches" not in key)
    assert trunk.count_params() == TRUNKS[name].parameters == held


def test_a_pretrained_trunk_is_written_once_and_for_all(tmp_path: Path):
    first = write_starting_trunk(tmp_path / "a.safetensors", architecture="efficientnet_lite0", input_size=64)
    second = write_starting_trunk(tmp_path / "b.safetensors", architecture="efficientnet_lite0", input_size=64)
    assert first == second
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    trunk, card = read_trunk(tmp_path / "a.safetensors")
    assert (card.input_size, card.embedding_width) == (64, 1280)
    reference = build_trunk("efficientnet_lite0", 64)
    load_imagenet_weights(reference, "efficientnet_lite0")
    images = tiny.pixels(64, 2).astype(np.float32)
    assert np.array_equal(to_numpy(trunk(images)), to_numpy(reference(images)))


def test_weights_that_are_not_at_hand_name_every_place_that_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folder = tmp_path / "weights"
    folder.mkdir()
    with pytest.raises(WeightsUnavailable) as refusal:
        write_starting_trunk(
            tmp_path / "out.safetensors",
            architecture="mobilenet_v3_small",
            input_size=64,
            weights_folder=folder,
            allow_download=False,
        )
    for part in ("mobilenet_v3_small", str(folder), str(tmp_path / "keras"), "no download", "no_top_v2.h5"):
        assert part in str(refusal.value)
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras as it writes
def test_a_file_of_weights_that_keras_wrote_is_taken_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    name = "mobilenet_v3_small"
    path = tmp_path / PUBLISHED[name].file
    theirs = keras.applications.MobileNetV3Small(
        input_shape=(64, 64, 3), include_top=False, weights=None, pooling="avg", include_preprocessing=False
    )
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    trunk = build_trunk(name, 64)
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    load_application_weights(trunk, name, weights_folder=tmp_path, allow_download=False, digest=digest)
    images = tiny.pixels(64, 2).astype(np.float32)
    expected = to_numpy(theirs(images / 127.5 - 1, training=False))
    assert np.allclose(to_numpy(trunk(images, training=False)), expected, rtol=1e-4, atol=1e-5)
    other = build_trunk("mobilenet_v3_large", 64)
    path.rename(tmp_path / PUBLISHED["mobilenet_v3_large"].file)
    with pytest.raises(WeightsRefused, match="does not fit mobilenet_v3_large"):
        load_application_weights(
            other, "mobilenet_v3_large", weights_folder=tmp_path, allow_download=False, digest=digest
        )


def test_a_file_with_a_wrong_checksum_and_a_failed_download_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    name = "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"
    (tmp_path / name).write_bytes(b"not the weights")
    with pytest.raises(WeightsUnavailable, match=r"checksum is wrong.*not there.*nowhere"):
        find_application_weights(
            "mobilenet_v3_large",
            weights_folder=tmp_path,
            allow_download=True,
            address=(tmp_path / "nowhere").as_uri(),
        )


def test_a_trunk_without_pretrained_weights_cannot_be_started_from_them(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="no pretrained weights"):
        write_starting_trunk(tmp_path / "out.safetensors", architecture="compact_cnn", input_size=32)


def test_a_damaged_trunk_file_is_refused(tmp_path: Path, parent: FitResult):
    content = parent.trunk_path.read_bytes()
    for name, damaged in {"cut": content[:-100], "empty": b"", "text": b"hello" * 50}.items():
        path = tmp_path / name
        path.write_bytes(damaged)
        with pytest.raises(WeightsRefused):
            read_trunk(path)
    with pytest.raises(WeightsRefused):
        read_trunk(parent.head_path)
