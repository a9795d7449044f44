"""Images packed once per input size into files that training reads from a memory map.

A set is a folder named by its fingerprint. Each shard is a 64-byte header (magic, version, rows, size, CRC-32,
fingerprint), raw uint8 pixels in C order, (rows, S, S, 3), and one byte a row that says whether the image was at
hand. `complete.json` is written last. Shards that are there are checked by CRC; damaged ones are made again.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.learning.errors import ManifestInvalid
from worker.learning.files import written_beside

Pixels = npt.NDArray[np.uint8]
ReadPixels = Callable[[Sequence[int]], Iterator[Pixels | None]]
"""Gives, for each image id in order, uint8 (S, S, 3) RGB, or None if that image is no longer at hand."""

MARKER: Final = "complete.json"
_MAGIC: Final = b"WNSHARD\0"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sIIII32s8x")
_SHARD_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class ShardSet:
    """The pixels of many images by row; row n is `image_ids[n]`."""

    image_ids: tuple[int, ...]
    is_present: npt.NDArray[np.bool_]
    """(N,) False where an image was not at hand: its pixels are black."""
    input_size: int
    fingerprint: str
    maps: tuple[Pixels, ...]
    """One read-only memory map a shard, (rows, S, S, 3)."""

    @property
    def rows_per_shard(self) -> int:
        """Rows of every shard but the last."""
        return len(self.maps[0])

    def read(self, rows: npt.NDArray[np.integer]) -> Pixels:
        """The pixels of these rows, uint8 (len(rows), S, S, 3)."""
        pixels = np.empty((len(rows), self.input_size, self.input_size, 3), np.uint8)
        for place, row in enumerate(rows):
            shard, offset = divmod(int(row), self.rows_per_shard)
            pixels[place] = self.maps[shard][offset]
        return pixels


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
    """Packs the images under `folder`, reusing every sound shard there; tells `on_progress(done, total)`.

    `pixels_key` names whatever else the pixels depend on (how they were resized, which images were turned).
    Raises ManifestInvalid for no ids, repeated ids, or pixels of a wrong shape or number.
    """
    if not image_ids or len(set(image_ids)) != len(image_ids):
        raise ManifestInvalid(
            f"Shards need images, each once; got {len(image_ids)} ids, {len(set(image_ids))} of them distinct."
        )
    rows = max(1, shard_bytes // (input_size * input_size * 3))
    fingerprint = fingerprint_of(image_ids, input_size=input_size, pixels_key=f"{pixels_key}|{rows}")
    place = folder / fingerprint
    chunks = [image_ids[start : start + rows] for start in range(0, len(image_ids), rows)]
    done = 0
    for number, chunk in enumerate(chunks):
        shard = _Shard(place / f"{number:05d}.shard", len(chunk), input_size, bytes.fromhex(fingerprint))
        if not shard.is_sound():
            shard.write(_read_chunk(chunk, read_pixels, input_size))
        done += len(chunk)
        on_progress(done, len(image_ids))
    _write_marker(place, fingerprint, input_size, image_ids)
    return _open(place, tuple(image_ids), len(chunks), rows, input_size, fingerprint)


def fingerprint_of(image_ids: Sequence[int], *, input_size: int, pixels_key: str) -> str:
    """SHA-256, in hex, over everything that the bytes of a set depend on."""
    text = json.dumps([_VERSION, input_size, pixels_key, [int(image) for image in image_ids]])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Shard:
    path: Path
    rows: int
    size: int
    fingerprint: bytes

    def is_sound(self) -> bool:
        if not self.path.is_file():
            return False
        with self.path.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return False
            crc, length = 0, 0
            while block := file.read(1 << 22):
                crc = zlib.crc32(block, crc)
                length += len(block)
        expected = (_MAGIC, _VERSION, self.rows, self.size, crc, self.fingerprint)
        return length == self._content_bytes() and _HEADER.unpack(header) == expected

    def write(self, images: Iterator[Pixels | None]) -> None:
        present = np.zeros(self.rows, np.uint8)
        black = bytes(self.size * self.size * 3)
        crc = 0
        with written_beside(self.path) as beside, beside.open("wb") as file:
            file.write(bytes(_HEADER.size))
            for row, pixels in enumerate(images):
                present[row] = pixels is not None
                content = black if pixels is None else pixels.tobytes()
                crc = zlib.crc32(content, crc)
                file.write(content)
            crc = zlib.crc32(present.tobytes(), crc)
            file.write(present.tobytes())
            file.seek(0)
            file.write(_HEADER.pack(_MAGIC, _VERSION, self.rows, self.size, crc, self.fingerprint))

    def _content_bytes(self) -> int:
        return self.rows * (self.size * self.size * 3 + 1)


def _read_chunk(chunk: Sequence[int], read_pixels: ReadPixels, size: int) -> Iterator[Pixels | None]:
    count = 0
    for pixels in read_pixels(chunk):
        if pixels is not None and (pixels.shape != (size, size, 3) or pixels.dtype != np.uint8):
            raise ManifestInvalid(f"Pixels must be uint8 ({size}, {size}, 3); got {pixels.dtype} {pixels.shape}.")
        count += 1
        if count <= len(chunk):
            yield pixels
    if count != len(chunk):
        raise ManifestInvalid(f"{len(chunk)} images were asked for; {count} came.")


def _write_marker(place: Path, fingerprint: str, input_size: int, image_ids: Sequence[int]) -> None:
    marker = {"version": _VERSION, "fingerprint": fingerprint, "input_size": input_size, "images": len(image_ids)}
    with written_beside(place / MARKER) as beside:
        beside.write_text(json.dumps(marker))


def _open(place: Path, image_ids: tuple[int, ...], shards: int, rows: int, size: int, fingerprint: str) -> ShardSet:
    maps, present = [], []
    for number in range(shards):
        count = min(rows, len(image_ids) - number * rows)
        path = place / f"{number:05d}.shard"
        maps.append(np.memmap(path, np.uint8, "r", _HEADER.size, (count, size, size, 3)))
        present.append(np.fromfile(path, np.uint8, count, offset=_HEADER.size + count * size * size * 3))
    return ShardSet(image_ids, np.concatenate(present).astype(bool), size, fingerprint, tuple(maps))
