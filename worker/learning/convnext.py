"""ConvNeXt-Tiny (Liu et al. 2022, arXiv:2201.03545), of layers that train and export well on any device.

The one in keras.applications makes its depthwise convolutions of grouped ones, which TensorFlow compiles with XLA on a
CPU, and its GELU of `erfc`: ONNX has neither. The weights that Keras publishes fit after a change of axes.
"""

import math
from pathlib import Path
from typing import Any, Final

from worker.learning.applications import STANDARDISED, rescaled
from worker.learning.backend import keras, to_numpy

_DEPTHS: Final = (3, 3, 9, 3)
_WIDTHS: Final = (96, 192, 384, 768)
_EPSILON: Final = 1e-6
_FIRST_SCALE: Final = 1e-6


class LayerScale(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies each channel by a learned factor that starts near 0 (Touvron et al. 2021, arXiv:2103.17239)."""

    def build(self, input_shape: Any) -> None:
        """One factor for each channel."""
        self.gamma = self.add_weight(
            shape=(input_shape[-1],), initializer=keras.initializers.Constant(_FIRST_SCALE), name="gamma"
        )

    def call(self, x: Any) -> Any:
        """Float (..., C) to the same shape."""
        return x * self.gamma


def build_convnext_tiny(input_size: int, *, depths: tuple[int, ...] = _DEPTHS) -> Any:
    """The trunk with random weights: float32 (N, S, S, 3) in 0..255 to float32 (N, 768); S at least 32.

    `depths` are the blocks in each of the four stages.
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    x = keras.layers.Conv2D(_WIDTHS[0], 4, strides=4, name="stem_conv")(rescaled(image, STANDARDISED))
    x = _normalise(x, "stem_norm")
    for stage, (depth, width) in enumerate(zip(depths, _WIDTHS, strict=True)):
        if stage:
            x = _normalise(x, f"down{stage}_norm")
            x = keras.layers.Conv2D(width, 2, strides=2, name=f"down{stage}_conv")(x)
        for number in range(depth):
            x = _block(x, f"stage{stage}_block{number}", width)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, _normalise(x, "embedding"), name="convnext_tiny")


def load_keras_weights(trunk: Any, path: Path) -> None:
    """Fills `trunk` from a file of `keras.applications.ConvNeXtTiny` without its top. Raises ValueError, OSError."""
    network = keras.applications.ConvNeXtTiny(
        input_shape=trunk.input_shape[1:], include_top=False, pooling="avg", weights=None, include_preprocessing=False
    )
    network.load_weights(path)
    take_keras_weights(trunk, network)


def take_keras_weights(trunk: Any, network: Any) -> None:
    """Copies the weights of a `keras.applications.ConvNeXtTiny`: layer by layer in order, depthwise kernels turned."""
    theirs = [part for layer in network.layers for part in getattr(layer, "layers", [layer]) if part.weights]
    ours = [layer for layer in trunk.layers if layer.weights]
    for mine, other in zip(ours, theirs, strict=True):
        values = [to_numpy(each) for each in other.weights]
        if isinstance(mine, keras.layers.DepthwiseConv2D):
            values[0] = values[0].transpose(0, 1, 3, 2)
        mine.set_weights(values)


def _block(x: Any, name: str, width: int) -> Any:
    inner = keras.layers.DepthwiseConv2D(7, padding="same", name=f"{name}_depthwise")(x)
    inner = _normalise(inner, f"{name}_norm")
    inner = keras.layers.Dense(4 * width, name=f"{name}_widen")(inner)
    # GELU by `erf`, which ONNX has; Keras's own uses `erfc`, which it has not.
    inner = inner * (keras.ops.erf(inner * math.sqrt(0.5)) * 0.5 + 0.5)
    inner = keras.layers.Dense(width, name=f"{name}_narrow")(inner)
    inner = LayerScale(name=f"{name}_scale")(inner)
    return keras.layers.Add(name=f"{name}_add")([x, inner])


def _normalise(x: Any, name: str) -> Any:
    return keras.layers.LayerNormalization(epsilon=_EPSILON, name=name)(x)
