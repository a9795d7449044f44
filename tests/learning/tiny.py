"""A small real training set: photos of three kinds of fruit at 32 px, and settings to match."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.photos import all_photos
from worker.learning.config import FitConfig, Start, default_config
from worker.learning.data import ImageSamples, ManifestRow, Split, pack_manifest

Pixels = npt.NDArray[np.uint8]
KINDS = ("Granny-Smith", "Orange", "Watermelon")
SIZE = 32


@lru_cache(maxsize=4)
def pixels(size: int, per_kind: int) -> Pixels:
    """uint8 (3 * per_kind, size, size, 3), the kinds one after another."""
    chosen = [[photo for photo in all_photos() if photo.sub_label == kind][:per_kind] for kind in KINDS]
    return np.stack([np.asarray(photo.image.resize((size, size))) for kind in chosen for photo in kind])


def reader(size: int = SIZE, per_kind: int = 16) -> Callable[[Sequence[int]], Iterator[Pixels | None]]:
    """Gives the pixels of image ids 100, 101, ... in the order of `pixels`."""

    def read(image_ids: Sequence[int]) -> Iterator[Pixels | None]:
        return iter(pixels(size, per_kind)[[image - 100 for image in image_ids]])

    return read


def manifest(per_kind: int = 16, *, validation: int = 4) -> list[ManifestRow]:
    """The last `validation` of each kind validate."""
    rows = []
    for place in range(per_kind * len(KINDS)):
        split: Split = "validation" if place % per_kind >= per_kind - validation else "train"
        rows.append(ManifestRow(100 + place, place // per_kind, split))
    return rows


def samples(folder: Path, *, validation: int = 4) -> ImageSamples:
    """48 photos at 32 px, packed under `folder`."""
    return pack_manifest(manifest(validation=validation), reader(), folder=folder, input_size=SIZE)


def settings(start: Start = "random", **changes: Any) -> FitConfig:
    """Few epochs of the compact network."""
    given = {"input_size": SIZE, "epochs": 3, "patience": 3, "batch_size": 12, "learning_rate": 1e-3, "seed": 7}
    trunk = changes.pop("trunk", "compact_cnn")
    return default_config(trunk, start, **{**given, **changes})
