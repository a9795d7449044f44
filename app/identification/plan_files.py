"""What a plan froze: the images that an act will change, as they were then, in a file of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.errors import NotFound
from app.core.storage import get_storage, written_beside

_FOLDER: Final = "plans"
COLUMNS: Final = np.dtype(
    [("image_id", "<i8"), ("version", "<i8"), ("class_id", "<i8"), ("score", "<f4"), ("held", "i1")]
)
"""`class_id` is 0 for a removal; `held` says why an image stays (0: it does not)."""

Frozen = NDArray[np.void]


def freeze(run_id: int, images: Frozen) -> None:
    """Keep the images of a run's plan; again, it replaces what an earlier attempt kept."""
    with written_beside(_path(run_id)) as file:
        np.save(file, images, allow_pickle=False)


def frozen(run_id: int) -> Frozen:
    """The images of a run's plan, read from the disk as they are asked for. Raises NotFound."""
    path = _path(run_id)
    if not path.is_file():
        raise NotFound("this plan's images are not kept any more; plan anew")
    images: Frozen = np.load(path, mmap_mode="r", allow_pickle=False)
    return images


def taken(images: Frozen) -> Frozen:
    """Those that the act changes."""
    found: Frozen = images[images["held"] == 0]
    return found


def sample(images: Frozen, count: int, *, seed: int) -> list[int]:
    """The ids of up to `count` of the images, drawn at random; the same for the same seed."""
    places = np.random.default_rng(seed).permutation(len(images))[:count]
    return [int(each) for each in images["image_id"][np.sort(places)]]


def _path(run_id: int) -> Path:
    return get_storage().file_path(_FOLDER, f"{run_id}.npy")
