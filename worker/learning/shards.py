"""Images packed once per input size into files that training reads row by row.

A set is a folder named by its fingerprint, of the files that `shard_file` describes. Runs share it: one packs while the
others wait, and `kept_sets` knows who uses it. What proves damaged, when the set is opened or while a run reads it, is
made again from the images.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.learning.errors import ManifestInvalid, ShardsDamaged
from worker.learning.kept_sets import Held, alone, hold
from worker.learning.shard_file import VERSION, Pixels, ShardFile, ShardTable

ReadPixels = Callable[[Sequence[int]], Iterator[Pixels | None]]
"""Gives, for each image id in order, uint8 (S, S, 3) RGB, or None if that image is no longer at hand. Called from
several threads at once."""

_SHARD_BYTES: Final = 64 * 1024 * 1024
_AT_ONCE: Final = 2
"""Shards packed at a time: one is written while the images of the other are decoded, by all cores."""
_PACKING: Final = ".packing"


@dataclass(frozen=True)
class ShardSet:
    """The pixels of many images by row; row n is `image_ids[n]`. Safe to use from several threads."""

    image_ids: tuple[int, ...]
    is_present: npt.NDArray[np.bool_]
    """(N,) False where an image was not at hand: its pixels are black."""
    input_size: int
    fingerprint: str
    _packing: "_Packing"
    _checksums: npt.NDArray[np.uint32]
    _held: Held
    _mending: threading.Lock = field(default_factory=threading.Lock)

    def read(self, rows: npt.NDArray[np.integer]) -> Pixels:
        """The pixels of these rows, uint8 (len(rows), S, S, 3), each checked.

        A damaged shard is made again. Raises ShardsDamaged where that does not help.
        """
        pixels = np.empty((len(rows), self.input_size, self.input_size, 3), np.uint8)
        numbers, offsets = np.divmod(np.asarray(rows), self._packing.rows_per_shard)
        order = np.lexsort((offsets, numbers))
        for places in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
            if len(places) and not self._read_into(pixels, places, int(numbers[places[0]]), offsets[places]):
                self._mend(int(numbers[places[0]]))
                if not self._read_into(pixels, places, int(numbers[places[0]]), offsets[places]):
                    raise ShardsDamaged(
                        f"Packed images of this snapshot (set {self.fingerprint[:12]}, shard {numbers[places[0]]}) no"
                        " longer agree with their checksums, and making them again gave others. Resume the run to go"
                        " on with the images as they are now."
                    )
        return pixels

    def close(self) -> None:
        """Says that this set is no longer in use here."""
        self._held.close()

    def _read_into(
        self, pixels: Pixels, places: npt.NDArray[np.int64], number: int, offsets: npt.NDArray[np.integer]
    ) -> bool:
        checksums = self._checksums[number * self._packing.rows_per_shard + offsets]
        return self._packing.shards[number].read_into(pixels, places.tolist(), offsets, checksums)

    def _mend(self, number: int) -> None:
        with self._mending, self._packing.alone():
            if not self._packing.shards[number].is_sound():
                self._packing.write(number)


def pack_shards(
    image_ids: Sequence[int],
    read_pixels: ReadPixels,
    *,
    folder: Path,
    input_size: int,
    pixels_key: str = "",
    shard_bytes: int = _SHARD_BYTES,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ShardSet:
    """Packs the images under `folder`, reusing every shard there; tells `on_progress(done, total)`, which may raise.

    `pixels_key` names whatever else the pixels depend on (how they were resized, which images were turned).
    Raises ManifestInvalid for no ids, repeated ids, or pixels of a wrong shape or number.
    """
    if not image_ids or len(set(image_ids)) != len(image_ids):
        raise ManifestInvalid(
            f"Shards need images, each once; got {len(image_ids)} ids, {len(set(image_ids))} of them distinct."
        )
    rows = max(1, shard_bytes // (input_size * input_size * 3))
    fingerprint = fingerprint_of(image_ids, input_size=input_size, pixels_key=f"{pixels_key}|{rows}")
    held = hold(folder, fingerprint)
    packing = _Packing.of(folder / fingerprint, image_ids, rows, input_size, bytes.fromhex(fingerprint), read_pixels)
    tables = packing.bring_about(on_progress)
    return ShardSet(
        tuple(image_ids),
        np.concatenate([table.is_present for table in tables]),
        input_size,
        fingerprint,
        packing,
        np.concatenate([table.checksums for table in tables]),
        held,
    )


def fingerprint_of(image_ids: Sequence[int], *, input_size: int, pixels_key: str) -> str:
    """SHA-256, in hex, over everything that the bytes of a set depend on."""
    text = json.dumps([VERSION, input_size, pixels_key, [int(image) for image in image_ids]])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Packing:
    """How a set comes about: its shards, and the images of each."""

    place: Path
    rows_per_shard: int
    chunks: list[Sequence[int]]
    shards: list[ShardFile]
    read_pixels: ReadPixels

    @classmethod
    def of(
        cls, place: Path, image_ids: Sequence[int], rows: int, size: int, fingerprint: bytes, read_pixels: ReadPixels
    ) -> "_Packing":
        chunks = [image_ids[start : start + rows] for start in range(0, len(image_ids), rows)]
        shards = [
            ShardFile(place / f"{number:05d}.shard", len(chunk), size, fingerprint)
            for number, chunk in enumerate(chunks)
        ]
        return cls(place, rows, chunks, shards, read_pixels)

    def bring_about(self, on_progress: Callable[[int, int], None]) -> list[ShardTable]:
        """The tables of all shards; those that are missing or not as written are packed, some at a time."""
        total = sum(shard.rows for shard in self.shards)
        on_progress(0, total)
        with self.alone(lambda: on_progress(0, total)):
            for left in self.place.glob(".*.shard.*"):  # by a run that was killed while it wrote
                left.unlink()
            tables = [shard.read_table() for shard in self.shards]
            due = [number for number, table in enumerate(tables) if table is None]
            done = total - sum(self.shards[number].rows for number in due)
            on_progress(done, total)
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="packing") as threads:
                packed = {threads.submit(self.write, number): number for number in due}
                try:
                    for future in as_completed(packed):
                        tables[packed[future]] = future.result()
                        done += self.shards[packed[future]].rows
                        on_progress(done, total)
                finally:
                    threads.shutdown(wait=False, cancel_futures=True)
        return [table for table in tables if table is not None]

    def alone(self, while_waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Only one run packs or mends a set."""
        return alone(self.place / _PACKING, while_waiting)

    def write(self, number: int) -> ShardTable:
        """Makes a shard from its images. Raises ShardsDamaged if the disk does not give back what was written."""
        shard = self.shards[number]
        shard.write(_checked(self.chunks[number], self.read_pixels, shard.size))
        table = shard.read_table()
        if table is None:
            raise ShardsDamaged(f"{shard.path.name} of set {self.place.name[:12]} did not stay as it was written.")
        return table


def _checked(chunk: Sequence[int], read_pixels: ReadPixels, size: int) -> Iterator[Pixels | None]:
    count = 0
    for pixels in read_pixels(chunk):
        if pixels is not None and (pixels.shape != (size, size, 3) or pixels.dtype != np.uint8):
            raise ManifestInvalid(f"Pixels must be uint8 ({size}, {size}, 3); got {pixels.dtype} {pixels.shape}.")
        count += 1
        if count <= len(chunk):
            yield pixels
    if count != len(chunk):
        raise ManifestInvalid(f"{len(chunk)} images were asked for; {count} came.")
