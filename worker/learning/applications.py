"""The trunks that keras.applications has: their preprocessing stands here, and their layers' names are made stable.

One `Rescaling` layer named "rescale" does what each network's weights expect to be done to 0..255. Keras's own
in-network `Normalization` gives an ONNX file that does not load, and ResNet and the Inceptions have nothing of their
own. Keras numbers the layers of the Inceptions by what else a process has built: they are renamed, so that a file of
weights fits in any process.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from worker.learning.backend import keras

_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)
_BGR_MEAN: Final = (103.939, 116.779, 123.68)
"""Of ImageNet's pixels, 0..255. ResNet50's weights were made with Caffe, which reads blue first."""

_COUNTED_NAME: Final = re.compile(r"(?P<kind>[a-z][a-z0-9_]*?)(_\d+)?")


@dataclass(frozen=True, slots=True)
class Rescale:
    """What is done to RGB in 0..255: the channels are reversed if `bgr`, then `x * scale + offset`, by channel."""

    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...]
    bgr: bool = False


MINUS_ONE_TO_ONE: Final = Rescale(1 / 127.5, -1.0)
STANDARDISED: Final = Rescale(
    tuple(1 / (255 * deviation) for deviation in _DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
)
RESCALE: Final[dict[str, Rescale]] = {
    "MobileNetV3Small": MINUS_ONE_TO_ONE,
    "MobileNetV3Large": MINUS_ONE_TO_ONE,
    "EfficientNetV2B0": STANDARDISED,
    "EfficientNetV2S": Rescale(1 / 128, -1.0),
    "ResNet50": Rescale(1.0, tuple(-mean for mean in _BGR_MEAN), bgr=True),
    "InceptionV3": MINUS_ONE_TO_ONE,
    "InceptionResNetV2": MINUS_ONE_TO_ONE,
}
"""By the name in keras.applications."""
_WITHOUT_PREPROCESSING: Final = frozenset({"ResNet50", "InceptionV3", "InceptionResNetV2"})
"""Those that have none to be switched off."""


def rescaled(image: Any, how: Rescale) -> Any:
    """The image as a network's weights expect it, by a layer named "rescale"."""
    x = keras.ops.take(image, [2, 1, 0], axis=-1) if how.bgr else image
    return keras.layers.Rescaling(how.scale, offset=how.offset, name="rescale")(x)


def application_builder(application: str) -> Callable[[int], Any]:
    """A builder of that network of keras.applications: float32 (N, S, S, 3) in 0..255 to float32 (N, E)."""

    def build(input_size: int) -> Any:
        image = keras.Input((input_size, input_size, 3), name="image")
        choices = {} if application in _WITHOUT_PREPROCESSING else {"include_preprocessing": False}
        network = getattr(keras.applications, application)(
            input_tensor=rescaled(image, RESCALE[application]),
            include_top=False,
            pooling="avg",
            weights=None,
            **choices,
        )
        _rename_counted_layers(network)
        return keras.Model(image, network.output, name=network.name)

    return build


def _rename_counted_layers(network: Any) -> None:
    """Layers that Keras named by kind and a count over the whole process are counted anew within the network."""
    counts: Counter[str] = Counter()
    for layer in network.layers:
        kind = type(layer).__name__.lower()
        match = _COUNTED_NAME.fullmatch(layer.name)
        if match and match["kind"].replace("_", "") == kind:
            counts[kind] += 1
            layer.name = f"{kind}_{counts[kind]:03d}"
