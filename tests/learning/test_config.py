import json
from dataclasses import replace
from typing import Any

import pytest

from worker.learning.config import AugmentConfig, FitConfig, Start, default_config
from worker.learning.errors import ConfigInvalid


@pytest.mark.parametrize("start", ["random", "pretrained", "warm", "head_only"])
def test_settings_are_the_same_after_a_trip_through_json(start: Start):
    config = default_config("efficientnet_lite0", start, seed=5)
    assert FitConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_size": 100}, "input_size of EfficientNet-Lite0 must be one of 64"),
        ({"epochs": 0}, "epochs must lie within 1"),
        ({"epochs": 2.5}, "epochs must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number"),
        ({"learning_rate": 5}, "learning_rate must lie within"),
        ({"dropout": 1}, "dropout must lie within"),
        ({"label_smoothing": -0.1}, "label_smoothing must lie within"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"start": "cold"}, "start must be one of random"),
        ({"trunk": "vgg"}, "trunk must be one of efficientnet_lite0"),
        ({"trunk": "compact_cnn", "input_size": 64, "start": "pretrained"}, "has no pretrained weights"),
    ],
)
def test_a_senseless_setting_is_refused_with_its_rule(changes: dict[str, Any], words: str):
    with pytest.raises(ConfigInvalid, match=words):
        replace(default_config("efficientnet_lite0", "warm"), **changes)


def test_augmentation_has_ranges_too():
    with pytest.raises(ConfigInvalid, match="rotate_degrees"):
        AugmentConfig(rotate_degrees=180)


def test_unknown_and_missing_settings_are_named():
    values = default_config("compact_cnn", "random").to_json()
    with pytest.raises(ConfigInvalid, match="momentum"):
        FitConfig.from_json({**values, "momentum": 0.9})
    with pytest.raises(ConfigInvalid, match=r"augmentation\.mixup"):
        FitConfig.from_json({**values, "augmentation": {"mixup": 1}})
    del values["epochs"]
    with pytest.raises(ConfigInvalid, match="epochs"):
        FitConfig.from_json(values)
