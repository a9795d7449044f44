"""Inception V4 (Szegedy, Ioffe, Vanhoucke and Alemi 2016, arXiv:1602.07261, figures 3 to 9): built from the paper.

Every convolution is followed by a batch norm and ReLU and has no bias. At 299 px the stages give 35 x 35 x 384,
17 x 17 x 1024 and 8 x 8 x 1536.
"""

from collections.abc import Sequence
from typing import Any, Final

from worker.learning.backend import keras

_EPSILON: Final = 1e-3

Step = tuple[int, int | tuple[int, int]]
"""Filters and the kernel's size (rows, columns); a single number is square."""

# Branches of the blocks on the 35 x 35 and the 17 x 17 grid: each a chain of convolutions with stride 1.
_BLOCK_35: Final[tuple[tuple[Step, ...], ...]] = (
    ((96, 1),),
    ((64, 1), (96, 3)),
    ((64, 1), (96, 3), (96, 3)),
)
_BLOCK_17: Final[tuple[tuple[Step, ...], ...]] = (
    ((384, 1),),
    ((192, 1), (224, (1, 7)), (256, (7, 1))),
    ((192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7))),
)
_REPEATS_35, _REPEATS_17, _REPEATS_8 = 4, 7, 3


def build_inception_v4(input_size: int) -> Any:
    """The trunk with random weights: float32 (N, S, S, 3) in 0..255 to float32 (N, 1536); S at least 75.

    41,142,816 weights that train and 63,168 moving averages; with the paper's classifier of 1,000 classes (1,537,000
    more) the 42.68 million that other builds of it count.
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(image)
    x = _stem(x)
    for number in range(_REPEATS_35):
        x = _block(x, f"a{number}", _BLOCK_35, pooled=96)
    x = _reduce_to_17(x)
    for number in range(_REPEATS_17):
        x = _block(x, f"b{number}", _BLOCK_17, pooled=128)
    x = _reduce_to_8(x)
    for number in range(_REPEATS_8):
        x = _block_8(x, f"c{number}")
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(image, embedding, name="inception_v4")


def _stem(x: Any) -> Any:
    """Figure 3."""
    x = _convolve(x, "stem_1", 32, 3, stride=2, padding="valid")
    x = _convolve(x, "stem_2", 32, 3, padding="valid")
    x = _convolve(x, "stem_3", 64, 3)
    x = _join("stem_4", _shrink(x, "stem_4_pool"), _convolve(x, "stem_4", 96, 3, stride=2, padding="valid"))
    left = _convolve(_chain(x, "stem_5a", ((64, 1),)), "stem_5a_last", 96, 3, padding="valid")
    right = _chain(x, "stem_5b", ((64, 1), (64, (7, 1)), (64, (1, 7))))
    x = _join("stem_5", left, _convolve(right, "stem_5b_last", 96, 3, padding="valid"))
    halved = _convolve(x, "stem_6", 192, 3, stride=2, padding="valid")
    return _join("stem_6", halved, _shrink(x, "stem_6_pool"))


def _block(x: Any, name: str, branches: Sequence[Sequence[Step]], *, pooled: int) -> Any:
    """Figures 4 and 5: branches side by side, and one that averages first and gives `pooled` channels."""
    average = keras.layers.AveragePooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    sides = [_chain(x, f"{name}_{number}", branch) for number, branch in enumerate(branches)]
    return _join(name, _convolve(average, f"{name}_pooled", pooled, 1), *sides)


def _block_8(x: Any, name: str) -> Any:
    """Figure 6: two of the branches end in a fork."""
    average = keras.layers.AveragePooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    narrow = _convolve(x, f"{name}_1_0", 384, 1)
    wide = _chain(x, f"{name}_2", ((384, 1), (448, (1, 3)), (512, (3, 1))))
    return _join(
        name,
        _convolve(average, f"{name}_pooled", 256, 1),
        _convolve(x, f"{name}_0", 256, 1),
        _convolve(narrow, f"{name}_1_across", 256, (1, 3)),
        _convolve(narrow, f"{name}_1_down", 256, (3, 1)),
        _convolve(wide, f"{name}_2_across", 256, (1, 3)),
        _convolve(wide, f"{name}_2_down", 256, (3, 1)),
    )


def _reduce_to_17(x: Any) -> Any:
    """Figure 7, with k, l, m, n = 192, 224, 256, 384 (table 1)."""
    longer = _chain(x, "reduce_a_1", ((192, 1), (224, 3)))
    return _join(
        "reduce_a",
        _shrink(x, "reduce_a_pool"),
        _convolve(x, "reduce_a_0", 384, 3, stride=2, padding="valid"),
        _convolve(longer, "reduce_a_1_last", 256, 3, stride=2, padding="valid"),
    )


def _reduce_to_8(x: Any) -> Any:
    """Figure 8."""
    shorter = _convolve(x, "reduce_b_0", 192, 1)
    longer = _chain(x, "reduce_b_1", ((256, 1), (256, (1, 7)), (320, (7, 1))))
    return _join(
        "reduce_b",
        _shrink(x, "reduce_b_pool"),
        _convolve(shorter, "reduce_b_0_last", 192, 3, stride=2, padding="valid"),
        _convolve(longer, "reduce_b_1_last", 320, 3, stride=2, padding="valid"),
    )


def _chain(x: Any, name: str, steps: Sequence[Step]) -> Any:
    for number, (filters, kernel) in enumerate(steps):
        x = _convolve(x, f"{name}_{number}", filters, kernel)
    return x


def _convolve(
    x: Any, name: str, filters: int, kernel: int | tuple[int, int], *, stride: int = 1, padding: str = "same"
) -> Any:
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _shrink(x: Any, name: str) -> Any:
    return keras.layers.MaxPooling2D(3, strides=2, padding="valid", name=name)(x)


def _join(name: str, *branches: Any) -> Any:
    return keras.layers.Concatenate(name=f"{name}_join")(list(branches))
