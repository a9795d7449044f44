"""Augmented views of images as a frozen trunk sees them: computed once for each trunk and augmentation, then kept.

The changes are those of training (`augment`), the embeddings those of the engine that will serve. A run stopped or
killed half-way loses the file in hand; the next one, of whatever images, goes on with what is there.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.training.fit_settings import Augmentation
from worker.learning.augment import NOT_FLIPPED, augment, draw
from worker.learning.backend import tf, to_numpy
from worker.learning.kept_sets import hold
from worker.learning.shard_file import Pixels
from worker.learning.shards import ReadPixels
from worker.learning.view_files import Halves, Keys, append_views, open_views

Embed = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""float32 (N, S, S, 3) in 0..255 to embeddings float32 (N, E)."""

_QUARTER: Final = 90
_BATCH: Final = 16
_ROWS_PER_FILE: Final = 4096
_SECONDS_PER_FILE: Final = 30.0


@dataclass(frozen=True)
class ViewSources:
    """Images to look at: ids (N,), turns in degrees (N,), and whether each may be mirrored (N,)."""

    image_ids: npt.NDArray[np.int64]
    rotations: npt.NDArray[np.int64]
    may_flip: npt.NDArray[np.bool_]

    def keys(self, view: int) -> Keys:
        """What view number `view` (0..15) of each is kept under."""
        turn = (self.rotations // _QUARTER).astype(np.uint64)
        low = turn << np.uint64(5) | self.may_flip.astype(np.uint64) << np.uint64(4) | np.uint64(view)
        return self.image_ids.astype(np.uint64) << np.uint64(8) | low

    def at(self, places: npt.NDArray[np.int64]) -> "ViewSources":
        """Some of them."""
        return ViewSources(self.image_ids[places], self.rotations[places], self.may_flip[places])


def embed_views(
    sources: ViewSources,
    out: Halves,
    *,
    read_pixels: ReadPixels,
    embed: Embed,
    augmentation: Augmentation,
    folder: Path,
    trunk_key: str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Fills `out`, float16 (V, N, E), with V views of each image; one that is not at hand stays as it is.

    Sets lie under `folder`. `trunk_key` names trunk and preprocessing. `on_progress(done, total)` counts images and may
    raise to end the work; what was computed by then is kept.
    """
    name = set_name(trunk_key, augmentation)
    held = hold(folder, name)
    place = folder / name
    place.mkdir(exist_ok=True)
    keys = [sources.keys(view) for view in range(len(out))]
    stored = open_views(place, width=out.shape[2])
    is_due = ~np.all([stored.has(each) for each in keys], axis=0)
    total, done = len(is_due), int((~is_due).sum())
    on_progress(done, total)
    appending = _Appending(place)
    try:
        for batch, pixels in _batches(sources.at(np.flatnonzero(is_due)), read_pixels):
            for view in range(len(out)):
                changed = _changed(pixels, batch, view, augmentation)
                appending.add(batch.keys(view), embed(changed))
            done += len(pixels)
            appending.write_if_due()
            on_progress(done, total)
    finally:
        appending.write()
    stored = open_views(place, width=out.shape[2])
    for view, each in enumerate(keys):
        stored.copy_into(out[view], each)
    held.close()


def set_name(trunk_key: str, augmentation: Augmentation) -> str:
    """SHA-256, in hex, over all that a view depends on but the image; which classes are not mirrored is in its key."""
    changes = augmentation.model_dump(mode="json", exclude={"no_flip"})
    return hashlib.sha256(json.dumps([trunk_key, changes], sort_keys=True).encode()).hexdigest()


class _Appending:
    """Rows that wait for a file of their own."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._keys: list[Keys] = []
        self._rows: list[npt.NDArray[np.float32]] = []
        self._written_at = time.monotonic()

    def add(self, keys: Keys, rows: npt.NDArray[np.float32]) -> None:
        self._keys.append(keys)
        self._rows.append(rows)

    def write_if_due(self) -> None:
        waited = time.monotonic() - self._written_at
        if sum(map(len, self._keys)) >= _ROWS_PER_FILE or waited >= _SECONDS_PER_FILE:
            self.write()

    def write(self) -> None:
        if self._keys:
            append_views(self._place, np.concatenate(self._keys), np.concatenate(self._rows))
        self._keys, self._rows, self._written_at = [], [], time.monotonic()


def _batches(sources: ViewSources, read_pixels: ReadPixels) -> Iterator[tuple[ViewSources, Pixels]]:
    """Those that are at hand, with their pixels (B, S, S, 3)."""
    places: list[int] = []
    pixels: list[Pixels] = []
    for place, found in enumerate(read_pixels(sources.image_ids.tolist())):
        if found is not None:
            places.append(place)
            pixels.append(found)
        if len(pixels) == _BATCH:
            yield sources.at(np.array(places)), np.stack(pixels)
            places, pixels = [], []
    if pixels:
        yield sources.at(np.array(places)), np.stack(pixels)


def _changed(pixels: Pixels, sources: ViewSources, view: int, augmentation: Augmentation) -> npt.NDArray[np.float32]:
    """View number `view`, the same whoever asks for it and in whatever batch."""
    draws = draw(sources.image_ids, seed=0, epoch=view)
    draws[~sources.may_flip, 0] = NOT_FLIPPED
    return to_numpy(augment(tf.cast(pixels, tf.float32), tf.constant(draws), augmentation))
