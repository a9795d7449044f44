import json
from typing import Any

import pytest
from pydantic import ValidationError

from app.training.fit_settings import FitSettings, GivenSettings, Start
from worker.learning.config import FitConfig, default_config
from worker.learning.errors import ConfigInvalid


@pytest.mark.parametrize("start", ["random", "pretrained", "warm", "head_only"])
def test_settings_are_the_same_after_a_trip_through_json(start: Start):
    config = default_config("efficientnet_lite0", start, seed=5)
    assert FitConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_size": 100}, "input_size of EfficientNet-Lite0 must be one of 64"),
        ({"epochs": 0}, "epochs: input should be greater than or equal to 1; got 0"),
        ({"epochs": 2.5}, "epochs: input should be a valid integer"),
        ({"learning_rate": float("nan")}, "learning_rate: input should be a finite number"),
        ({"learning_rate": 5}, "learning_rate: input should be less than or equal to 1"),
        ({"dropout": 1}, "dropout: input should be less than or equal to 0.9"),
        ({"batch_size": True}, "batch_size: input should be a valid integer"),
        ({"balance": "luck"}, "balance: input should be 'none'"),
        ({"start": "random", "unfreeze_epochs": 3}, "random has no use for unfreeze_epochs"),
        ({"start": "head_only", "discriminative_rate": 0.5}, "head_only has no use for discriminative_rate"),
        ({"views": 2}, "warm has no use for views"),
        ({"trunk": "vgg"}, "trunk must be one of efficientnet_lite0"),
        ({"trunk": "compact_cnn", "input_size": 64, "start": "pretrained"}, "has no pretrained weights"),
    ],
)
def test_a_senseless_setting_is_refused_with_its_rule(changes: dict[str, Any], words: str):
    with pytest.raises(ConfigInvalid, match=words):
        default_config("efficientnet_lite0", "warm").changed(**changes)


def test_what_may_be_given_is_generated_from_the_settings():
    given = GivenSettings(epochs=7, mixup=0.2)
    default = default_config("compact_cnn", "random")
    assert set(GivenSettings.model_fields) == set(FitSettings.model_fields)
    assert given.over(default).epochs == 7
    assert given.over(default).patience == default.patience
    with pytest.raises(ValidationError, match="less than or equal to 2"):
        GivenSettings(mixup=3)


def test_unknown_and_missing_settings_are_named():
    values = default_config("compact_cnn", "random").to_json()
    with pytest.raises(ConfigInvalid, match="momentum"):
        FitConfig.from_json({**values, "momentum": 0.9})
    with pytest.raises(ConfigInvalid, match=r"augmentation\.mixup"):
        FitConfig.from_json({**values, "augmentation": {"mixup": 1}})
    del values["epochs"]
    with pytest.raises(ConfigInvalid, match="epochs"):
        FitConfig.from_json(values)
