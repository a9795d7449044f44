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
    note: str


_SIZES: Final = (64, 96, 128, 160, 192, 224)

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
            note="ImageNet weights come with the installation. The default: good embeddings at once.",
        ),
        TrunkKind(
            name="compact_cnn",
            title="Compact network",
            default_input_size=64,
            allowed_input_sizes=(32, 48, 64, 96, 128),
            embedding_width=256,
            parameters=1_165_792,
            pretrained="none",
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
            note="The fastest to serve. Its ImageNet weights are fetched by Keras or read from a folder.",
        ),
        TrunkKind(
            name="mobilenet_v3_large",
            title="MobileNetV3 large",
            default_input_size=224,
            allowed_input_sizes=_SIZES,
            embedding_width=960,
            parameters=2_996_352,
            pretrained="applications",
            note="Fast, and more accurate than the small one. Weights as for the small one.",
        ),
    )
}

DEFAULT_TRUNK: Final = "efficientnet_lite0"


def find_trunk(name: str) -> TrunkKind:
    """The trunk of that name. Raises KeyError that lists the names there are."""
    if name not in TRUNKS:
        raise KeyError(f"No trunk is named {name!r}; there are: {', '.join(TRUNKS)}.")
    return TRUNKS[name]
