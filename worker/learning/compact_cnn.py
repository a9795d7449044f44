"""Winnow's own small network, for training from random weights on two cores in minutes."""

from typing import Any

from worker.learning.backend import keras

_STAGES = (32, 64, 128, 256)


def build_compact_cnn(input_size: int) -> Any:
    """The trunk with random weights: float32 (N, S, S, 3) in 0..255 to float32 (N, 256)."""
    image = keras.Input((input_size, input_size, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(image)
    for number, channels in enumerate(_STAGES):
        x = _convolve(x, channels, f"stage{number}_a", stride=2 if number == 0 else 1)
        if number:
            x = _convolve(x, channels, f"stage{number}_b")
            x = keras.layers.MaxPooling2D(name=f"stage{number}_pool")(x)
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(image, embedding, name="compact_cnn")


def _convolve(x: Any, channels: int, name: str, stride: int = 1) -> Any:
    x = keras.layers.Conv2D(
        channels,
        3,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
