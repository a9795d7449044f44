"""Real photos for the benchmarks: the demo's, or those of a folder that holds `grocery/` and `caltech/`.

The demo's photos are the Grocery Store Dataset's (MIT, copyright 2019 Marcus Klasson), read from a package by path;
`caltech/` is from Caltech-101 (CC BY 4.0, Li, Andreetto, Ranzato, Perona).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np
import simplejpeg
from measuring import Options
from numpy.typing import NDArray
from PIL import Image

from app.cli.demo_photos import parquet_path

T = TypeVar("T")
Part = Literal["learn", "test"]
SETS: Final = ("grocery", "caltech")
_TEST_SHARE: Final = 0.25
_QUALITY: Final = 90


@dataclass(frozen=True, slots=True)
class Photo:
    """A JPEG with its set and class. `part` follows the published split where there is one."""

    set_name: str
    class_name: str
    part: Part
    content: bytes


def load_photos(options: Options) -> tuple[Photo, ...]:
    """All distinct photos; those of a class in the order they were taken, as far as names tell."""
    return _demo() if options.data is None else _folder(options.data.resolve())


def spread(photos: Sequence[T], count: int) -> list[T]:
    """Up to `count` of the photos, spread evenly over them."""
    wanted = min(count, len(photos))
    return [photos[place * len(photos) // wanted] for place in range(wanted)]


def enlarged(content: bytes, megapixels: float) -> bytes:
    """The photo enlarged to about so many megapixels, as a JPEG."""
    with Image.open(io.BytesIO(content)) as image:
        factor = math.sqrt(megapixels * 1e6 / (image.width * image.height))
        size = (round(image.width * factor), round(image.height * factor))
        large = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    encoded: bytes = simplejpeg.encode_jpeg(np.asarray(large), _QUALITY, "RGB", "420")
    return encoded


def bare_pixels(content: bytes, size: int) -> NDArray[np.uint8]:
    """A small JPEG as network input (size, size, 3): resized and cropped as the product does, nothing checked."""
    image = Image.fromarray(simplejpeg.decode_jpeg(content, "RGB"))
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0))


@lru_cache(maxsize=1)
def _demo() -> tuple[Photo, ...]:
    import pyarrow.parquet

    columns = ["dataset", "finegrained_cat", "image_data"]
    rows = pyarrow.parquet.read_table(parquet_path(), columns=columns).to_pylist()
    photos = {
        row["image_data"]: Photo(
            "demo", row["finegrained_cat"], "test" if row["dataset"] == "test" else "learn", row["image_data"]
        )
        for row in rows
    }
    return tuple(photos.values())


@lru_cache(maxsize=1)
def _folder(data: Path) -> tuple[Photo, ...]:
    photos = {photo.content: photo for name in SETS for photo in _of_set(data / name)}
    if not photos:
        raise SystemExit(f"--data is a folder that holds {' and '.join(SETS)} with photos in class folders")
    return tuple(photos.values())


def _of_set(folder: Path) -> Iterator[Photo]:
    for class_folder in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = sorted(class_folder.glob("*.jpg"))
        published = any(path.name.startswith("val_") for path in files)
        # Without a published split: the last part by name, so that photos of one burst stay on one side.
        first_test = round(len(files) * (1 - _TEST_SHARE))
        for place, path in enumerate(files):
            is_test = path.name.startswith("val_") if published else place >= first_test
            yield Photo(folder.name, class_folder.name, "test" if is_test else "learn", path.read_bytes())
