from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.learning import tiny
from worker.learning.data import pack_manifest
from worker.learning.errors import ManifestInvalid
from worker.learning.shards import MARKER, ReadPixels, ShardSet, fingerprint_of, pack_shards

_IDS = [100, 140, 103, 120, 101]
_TWO_ROWS = 2 * tiny.SIZE * tiny.SIZE * 3


class _CountingReader:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, image_ids: Sequence[int]) -> Iterator[tiny.Pixels | None]:
        self.asked += image_ids
        return tiny.reader()(image_ids)


def _pack(folder: Path, read: ReadPixels, **options: Any) -> ShardSet:
    return pack_shards(_IDS, read, folder=folder, input_size=tiny.SIZE, shard_bytes=_TWO_ROWS, **options)


def test_packed_pixels_are_those_that_were_read(tmp_path: Path):
    shards = _pack(tmp_path, tiny.reader())
    assert len(shards.maps) == 3
    assert shards.is_present.all()
    wanted = tiny.pixels(tiny.SIZE, 16)[[image - 100 for image in _IDS]]
    assert np.array_equal(shards.read(np.arange(5)), wanted)
    assert np.array_equal(shards.read(np.array([4, 0])), wanted[[4, 0]])


def test_a_complete_set_is_reused_without_reading_an_image(tmp_path: Path):
    read, progress = _CountingReader(), []
    first = _pack(tmp_path, read)
    assert read.asked == _IDS
    again = _pack(tmp_path, read, on_progress=lambda done, total: progress.append((done, total)))
    assert read.asked == _IDS
    assert again.fingerprint == first.fingerprint
    assert progress[-1] == (5, 5)


@pytest.mark.parametrize("damage", ["flip a bit", "cut", "remove", "empty", "change the header"])
def test_only_a_damaged_shard_is_made_again(tmp_path: Path, damage: str):
    read = _CountingReader()
    first = _pack(tmp_path, read)
    wanted = first.read(np.arange(5))
    path = tmp_path / first.fingerprint / "00001.shard"
    content = bytearray(path.read_bytes())
    del first
    match damage:
        case "flip a bit":
            content[500] ^= 1
        case "cut":
            content = content[:-1]
        case "empty":
            content.clear()
        case "change the header":
            content[12] ^= 1
    path.unlink()
    if damage != "remove":
        path.write_bytes(content)
    read.asked.clear()
    again = _pack(tmp_path, read)
    assert read.asked == _IDS[2:4]
    assert np.array_equal(again.read(np.arange(5)), wanted)


def test_packing_that_was_cut_short_goes_on_where_it_was(tmp_path: Path):
    read = _CountingReader()

    def fails(image_ids: Sequence[int]) -> Iterator[tiny.Pixels | None]:
        if image_ids[0] == _IDS[2]:
            raise OSError("the disk is gone")
        return read(image_ids)

    with pytest.raises(OSError, match="gone"):
        _pack(tmp_path, fails)
    assert not list(tmp_path.rglob(MARKER))
    _pack(tmp_path, read)
    assert read.asked == _IDS
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_the_fingerprint_depends_on_all_that_the_pixels_depend_on():
    base = fingerprint_of([1, 2], input_size=32, pixels_key="v1")
    assert base == fingerprint_of([1, 2], input_size=32, pixels_key="v1")
    others = {
        fingerprint_of([2, 1], input_size=32, pixels_key="v1"),
        fingerprint_of([1, 2], input_size=64, pixels_key="v1"),
        fingerprint_of([1, 2], input_size=32, pixels_key="v2"),
    }
    assert len(others - {base}) == 3


def test_images_that_are_gone_are_left_out_and_named(tmp_path: Path):
    def read(image_ids: Sequence[int]) -> Iterator[tiny.Pixels | None]:
        for image_id, pixels in zip(image_ids, tiny.reader()(image_ids), strict=True):
            yield None if image_id in {100, 115} else pixels

    for _ in range(2):  # packed, then reused
        found = pack_manifest(tiny.manifest(), read, folder=tmp_path, input_size=tiny.SIZE)
        assert found.missing_ids == (100, 115)
        assert 0 not in found.train_rows
        assert 15 not in found.validation_rows
        assert len(found.train_rows) == 35
        assert len(found.validation_rows) == 11


def test_pixels_of_another_form_are_refused(tmp_path: Path):
    with pytest.raises(ManifestInvalid, match="uint8"):
        _pack(tmp_path, lambda ids: iter(np.zeros((len(ids), 32, 32, 3), np.float32)))
    with pytest.raises(ManifestInvalid, match="asked for"):
        _pack(tmp_path, lambda ids: tiny.reader()(ids[1:]))
    with pytest.raises(ManifestInvalid, match="each once"):
        pack_shards([1, 1], tiny.reader(), folder=tmp_path, input_size=32)
