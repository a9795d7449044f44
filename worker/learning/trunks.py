"""Trunks by name: build, fill, read and write. A new architecture is one builder and one line in `_BUILDERS`.

A builder takes the input size and returns a Keras network whose input is named "image" (float32, 0..255,
(N, S, S, 3), rescaled inside) and whose output is the embedding, float32 (N, E). `app.registry.trunks`
describes each.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.registry.trunks import TRUNKS
from worker.learning.applications import application_builder
from worker.learning.artifacts import Tensors, TrunkCard, read_tensors, serialise, write_tensors
from worker.learning.backend import to_numpy
from worker.learning.compact_cnn import build_compact_cnn
from worker.learning.convnext import build_convnext_tiny
from worker.learning.efficientnet_lite import lite_builder, load_imagenet_weights
from worker.learning.errors import ConfigInvalid, WeightsRefused
from worker.learning.inception_v4 import build_inception_v4
from worker.learning.pretrained import load_application_weights

_BUILDERS: dict[str, Callable[[int], Any]] = {
    "efficientnet_lite0": lite_builder("efficientnet_lite0"),
    "efficientnet_lite1": lite_builder("efficientnet_lite1"),
    "efficientnet_lite2": lite_builder("efficientnet_lite2"),
    "compact_cnn": build_compact_cnn,
    "mobilenet_v3_small": application_builder("MobileNetV3Small"),
    "mobilenet_v3_large": application_builder("MobileNetV3Large"),
    "efficientnet_v2_b0": application_builder("EfficientNetV2B0"),
    "efficientnet_v2_s": application_builder("EfficientNetV2S"),
    "resnet50": application_builder("ResNet50"),
    "convnext_tiny": build_convnext_tiny,
    "inception_v3": application_builder("InceptionV3"),
    "inception_v4": build_inception_v4,
    "inception_resnet_v2": application_builder("InceptionResNetV2"),
}


def build_trunk(architecture: str, input_size: int) -> Any:
    """The network with random weights. Raises ConfigInvalid for an unknown name."""
    if architecture not in _BUILDERS:
        raise ConfigInvalid(f"trunk must be one of {', '.join(_BUILDERS)}; got {architecture!r}.")
    return _BUILDERS[architecture](input_size)


def load_pretrained(trunk: Any, architecture: str, *, weights_folder: Path | None, allow_download: bool) -> None:
    """Puts ImageNet weights into `trunk`. Raises WeightsUnavailable or WeightsRefused; never leaves random ones."""
    match TRUNKS[architecture].pretrained:
        case "package":
            load_imagenet_weights(trunk, architecture)
        case "applications":
            load_application_weights(trunk, architecture, weights_folder=weights_folder, allow_download=allow_download)
        case "none":
            raise ConfigInvalid(f"{TRUNKS[architecture].title} has no pretrained weights.")


def card_of(trunk: Any, architecture: str) -> TrunkCard:
    """The card for a built network."""
    return TrunkCard(architecture, int(trunk.input_shape[1]), int(trunk.output_shape[-1]))


def trunk_tensors(trunk: Any) -> Tensors:
    """All weights by `layer/variable`, moving averages included, float32."""
    tensors = {name: to_numpy(variable) for name, variable in _variables(trunk).items()}
    if len(tensors) != len(trunk.weights):
        raise WeightsRefused("Two layers of the trunk share a name: every layer needs its own.")
    return tensors


def set_trunk_tensors(trunk: Any, tensors: Tensors) -> None:
    """The reverse of `trunk_tensors`. Raises WeightsRefused unless names and shapes fit exactly."""
    variables = _variables(trunk)
    if odd := sorted(set(variables) ^ set(tensors)):
        raise WeightsRefused(f"The trunk file does not fit the architecture: {len(odd)} names differ ({odd[0]}).")
    for name, variable in variables.items():
        if tuple(variable.shape) != tensors[name].shape:
            raise WeightsRefused(f"{name} must have shape {tuple(variable.shape)}; got {tensors[name].shape}.")
        variable.assign(tensors[name])


def _variables(trunk: Any) -> dict[str, Any]:
    return {f"{layer.name}/{each.name}": each for layer in trunk.layers for each in layer.weights}


def trunk_digest(trunk: Any, card: TrunkCard) -> str:
    """The SHA-256 that `save_trunk` would give, without writing."""
    return hashlib.sha256(serialise(trunk_tensors(trunk), card.to_metadata())).hexdigest()


def save_trunk(trunk: Any, card: TrunkCard, path: Path) -> str:
    """Writes `path` atomically; returns its digest: equal weights and card give an equal one."""
    return write_tensors(path, trunk_tensors(trunk), card.to_metadata())


def read_trunk(path: Path, *, input_size: int | None = None) -> tuple[Any, TrunkCard]:
    """The network rebuilt in code and filled from `path`, and its card; at `input_size` if given.

    Raises WeightsRefused if the file is damaged or does not fit.
    """
    tensors, metadata = read_tensors(path)
    card = TrunkCard.from_metadata(metadata)
    trunk = build_trunk(card.architecture, input_size or card.input_size)
    set_trunk_tensors(trunk, tensors)
    return trunk, card


def write_starting_trunk(
    path: Path,
    *,
    architecture: str,
    input_size: int,
    weights_folder: Path | None = None,
    allow_download: bool = True,
) -> str:
    """Writes a pretrained trunk that no run has touched, for embeddings before the first training; its digest.

    Raises WeightsUnavailable or WeightsRefused.
    """
    trunk = build_trunk(architecture, input_size)
    load_pretrained(trunk, architecture, weights_folder=weights_folder, allow_download=allow_download)
    return save_trunk(trunk, card_of(trunk, architecture), path)
