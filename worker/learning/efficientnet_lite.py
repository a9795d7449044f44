"""EfficientNet-Lite0 to 2 (Tan and Le 2019, arXiv:1905.11946; Lite: no squeeze-excite, ReLU6), ImageNet weights too.

Lite1 and Lite2 are Lite0 made deeper and wider; stem, first and last stage's depth and head stay as they are.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from app.registry.weights import PACKAGED, packaged_file
from worker.learning.backend import keras
from worker.learning.errors import WeightsRefused, WeightsUnavailable
from worker.learning.torch_weights import read_torch_weights

_STAGES = (  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


_SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}
"""Width and depth, as multiples of Lite0's."""


def lite_builder(architecture: str) -> Callable[[int], Any]:
    """A builder of that network with random weights: float32 (N, S, S, 3) in 0..255 to float32 (N, 1280)."""
    width, depth = _SCALES[architecture]

    def build(input_size: int) -> Any:
        image = keras.Input((input_size, input_size, 3), name="image")
        x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(image)
        x = _activate(_normalise(_convolve(x, 32, 3, 2, "stem"), "stem_bn"), "stem_relu")
        block = 0
        for number, (repeats, kernel, stride, expansion, channels) in enumerate(_STAGES):
            is_edge = number in (0, len(_STAGES) - 1)
            for repeat in range(repeats if is_edge else math.ceil(repeats * depth)):
                step = stride if repeat == 0 else 1
                x = _inverted_residual(x, f"block{block}", kernel, step, expansion, _widened(channels, width))
                block += 1
        x = _activate(_normalise(_convolve(x, 1280, 1, 1, "top"), "top_bn"), "top_relu")
        embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
        return keras.Model(image, embedding, name=architecture)

    return build


def _widened(channels: int, width: float) -> int:
    """The nearest multiple of 8, and never less than 90% of what was asked."""
    wanted = channels * width
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * wanted else nearest + 8


def load_imagenet_weights(trunk: Any, architecture: str) -> None:
    """Puts the ImageNet weights of the installed package into `trunk`.

    Raises WeightsUnavailable if the package is not installed, WeightsRefused if its file does not fit.
    """
    tensors = read_torch_weights(find_weights(architecture))
    try:
        for layer in trunk.layers:
            if layer.weights:
                layer.set_weights(_weights_for(layer.name, tensors))
    except (KeyError, ValueError) as error:
        raise WeightsRefused(f"The packaged weights of {architecture} do not fit the network: {error}.") from error


def find_weights(architecture: str) -> Path:
    """The weights file of the installed package. Raises WeightsUnavailable if it is not there."""
    path = packaged_file(architecture)
    if path is None:
        source = PACKAGED[architecture]
        raise WeightsUnavailable(
            f"The ImageNet weights of {architecture} come with the package {source.package},"
            f" which is not installed here (looked for {source.module}/{source.file})."
        )
    return path


def _weights_for(layer: str, tensors: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    prefix = _torch_name(layer)
    if layer.endswith("_bn"):
        return [tensors[f"{prefix}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    kernel = tensors[f"{prefix}.weight"]
    order = (2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0)
    return [kernel.transpose(order)]


def _torch_name(layer: str) -> str:
    outer = {"stem": "_conv_stem", "stem_bn": "_bn0", "top": "_conv_head", "top_bn": "_bn1"}
    if layer in outer:
        return outer[layer]
    block, part = layer.removeprefix("block").split("_", 1)
    # Blocks without an expansion still call their norms bn1 and bn2.
    parts = {
        "expand": "_expand_conv",
        "expand_bn": "_bn0",
        "depthwise": "_depthwise_conv",
        "depthwise_bn": "_bn1",
        "project": "_project_conv",
        "project_bn": "_bn2",
    }
    return f"_blocks.{block}.{parts[part]}"


def _inverted_residual(x: Any, name: str, kernel: int, stride: int, expansion: int, channels: int) -> Any:
    shortcut = x
    if expansion != 1:
        x = _convolve(x, x.shape[-1] * expansion, 1, 1, f"{name}_expand")
        x = _activate(_normalise(x, f"{name}_expand_bn"), f"{name}_expand_relu")
    x = keras.layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(
        x
    )
    x = _activate(_normalise(x, f"{name}_depthwise_bn"), f"{name}_depthwise_relu")
    x = _normalise(_convolve(x, channels, 1, 1, f"{name}_project"), f"{name}_project_bn")
    if stride == 1 and shortcut.shape[-1] == channels:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _convolve(x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    return keras.layers.Conv2D(
        channels, kernel, strides=stride, padding="same", use_bias=False, name=name, kernel_initializer="he_normal"
    )(x)


def _normalise(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=name)(x)


def _activate(x: Any, name: str) -> Any:
    return keras.layers.ReLU(max_value=6.0, name=name)(x)
