"""The trunks that can be trained here, as a plain table.

It is read by pages, commands and the training engine alike, so it imports nothing. The networks
themselves are built in `worker.learning.trunks`, one builder for each name (tested to be complete).
"""

from dataclasses import dataclass
from typing import Final, Literal

PretrainedSource = Literal["package", "applications", "none"]

INPUT_CONVENTION: Final = "rgb-0-255-nhwc/1"
"""What every trunk expects: RGB, float32, 0..255, (N, S, S, 3); the network rescales inside."""


@dataclass(frozen=True, slots=True)
class TrunkKind:
    """One architecture: image in, embedding out."""

    name: str
    title: str
    default_input_size: int
    """Side of the square input in pixels."""
    allowed_input_sizes: tuple[int, ...]
    embedding_width: int
    parameters: int
    """Exact count of the trunk's weights, moving averages included."""
    pretrained: PretrainedSource
    """`package`: installed beside Winnow; `applications`: fetched or read from a folder; `none`."""
    preprocessing: str
    """What the network's first layers do to RGB in 0..255; nothing outside the network does any of it."""
    note: str


_SIZES: Final = (64, 96, 128, 160, 192, 224)
_INCEPTION_SIZES: Final = (75, 96, 128, 160, 192, 224, 256, 299)

_CENTRED: Final = "(x − 127) / 128"
_MINUS_ONE_TO_ONE: Final = "x / 127.5 − 1"
_STANDARDISED: Final = "(x / 255 − ImageNet mean) / deviation, by channel"
_FETCHED: Final = "Its ImageNet weights are fetched by Keras or read from a folder."

TRUNKS: Final[dict[str, TrunkKind]] = {
    kind.name: kind
    for kind in (
        TrunkKind(
            name="efficientnet_lite0",
            title="EfficientNet-Lite0",
            default_input_size=224,
            allowed_input_sizes=_SIZES,
            embedding_width=1280,
            parameters=3_413_024,
            pretrained="package",
            preprocessing=_CENTRED,
            note="ImageNet weights come with the installation. The default: good embeddings at once.",
        ),
        TrunkKind(
            name="efficientnet_lite1",
            title="EfficientNet-Lite1",
            default_input_size=240,
            allowed_input_sizes=(*_SIZES, 240),
            embedding_width=1280,
            parameters=4_189_344,
            pretrained="package",
            preprocessing=_CENTRED,
            note="Lite0 made deeper; its ImageNet weights come with the extra more-weights.",
        ),
        TrunkKind(
            name="efficientnet_lite2",
            title="EfficientNet-Lite2",
            default_input_size=260,
            allowed_input_sizes=(*_SIZES, 240, 260),
            embedding_width=1280,
            parameters=4_869_168,
            pretrained="package",
            preprocessing=_CENTRED,
            note="Lite0 made deeper and wider; its ImageNet weights come with the extra more-weights.",
        ),
        TrunkKind(
            name="compact_cnn",
            title="Compact network",
            default_input_size=64,
            allowed_input_sizes=(32, 48, 64, 96, 128),
            embedding_width=256,
            parameters=1_165_792,
            pretrained="none",
            preprocessing=_MINUS_ONE_TO_ONE,
            note="Small and fast: trains from random weights in minutes on two cores.",
        ),
        TrunkKind(
            name="mobilenet_v3_small",
            title="MobileNetV3 small",
            default_input_size=224,
            allowed_input_sizes=_SIZES,
            embedding_width=576,
            parameters=939_120,
            pretrained="applications",
            preprocessing=_MINUS_ONE_TO_ONE,
            note=f"The fastest to serve. {_FETCHED}",
        ),
        TrunkKind(
            name="mobilenet_v3_large",
            title="MobileNetV3 large",
            default_input_size=224,
            allowed_input_sizes=_SIZES,
            embedding_width=960,
            parameters=2_996_352,
            pretrained="applications",
            preprocessing=_MINUS_ONE_TO_ONE,
            note=f"Fast, and more accurate than the small one. {_FETCHED}",
        ),
        TrunkKind(
            name="efficientnet_v2_b0",
            title="EfficientNetV2-B0",
            default_input_size=224,
            allowed_input_sizes=_SIZES,
            embedding_width=1280,
            parameters=5_919_312,
            pretrained="applications",
            preprocessing=_STANDARDISED,
            note=f"Accurate for its size. {_FETCHED}",
        ),
        TrunkKind(
            name="efficientnet_v2_s",
            title="EfficientNetV2-S",
            default_input_size=300,
            allowed_input_sizes=(*_SIZES, 256, 300),
            embedding_width=1280,
            parameters=20_331_360,
            pretrained="applications",
            preprocessing="x / 128 − 1",
            note=f"For a GPU, or as a teacher. {_FETCHED}",
        ),
        TrunkKind(
            name="resnet50",
            title="ResNet50",
            default_input_size=224,
            allowed_input_sizes=_SIZES,
            embedding_width=2048,
            parameters=23_587_712,
            pretrained="applications",
            preprocessing="channels to BGR, minus ImageNet mean (103.939, 116.779, 123.68)",
            note=f"The field's yardstick: much is published on it. {_FETCHED}",
        ),
        TrunkKind(
            name="convnext_tiny",
            title="ConvNeXt-Tiny",
            default_input_size=224,
            allowed_input_sizes=_SIZES,
            embedding_width=768,
            parameters=27_820_128,
            pretrained="applications",
            preprocessing=_STANDARDISED,
            note=f"The most accurate at 224 px here; slow without a GPU. {_FETCHED}",
        ),
        TrunkKind(
            name="inception_v3",
            title="Inception V3",
            default_input_size=299,
            allowed_input_sizes=_INCEPTION_SIZES,
            embedding_width=2048,
            parameters=21_802_784,
            pretrained="applications",
            preprocessing=_MINUS_ONE_TO_ONE,
            note=f"Sees detail at 299 px. {_FETCHED}",
        ),
        TrunkKind(
            name="inception_v4",
            title="Inception V4",
            default_input_size=299,
            allowed_input_sizes=_INCEPTION_SIZES,
            embedding_width=1536,
            parameters=41_205_984,
            pretrained="none",
            preprocessing=_MINUS_ONE_TO_ONE,
            note="Deeper than V3, built from its paper; trains from random weights, so it wants a GPU and many images.",
        ),
        TrunkKind(
            name="inception_resnet_v2",
            title="Inception-ResNet V2",
            default_input_size=299,
            allowed_input_sizes=_INCEPTION_SIZES,
            embedding_width=1536,
            parameters=54_336_736,
            pretrained="applications",
            preprocessing=_MINUS_ONE_TO_ONE,
            note=f"The largest here: a teacher for smaller ones, on a GPU. {_FETCHED}",
        ),
    )
}

DEFAULT_TRUNK: Final = "efficientnet_lite0"


def find_trunk(name: str) -> TrunkKind:
    """The trunk of that name. Raises KeyError that lists the names there are."""
    if name not in TRUNKS:
        raise KeyError(f"No trunk is named {name!r}; there are: {', '.join(TRUNKS)}.")
    return TRUNKS[name]
