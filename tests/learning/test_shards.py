import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.learning import tiny
from worker.learning.data import pack_manifest
from worker.learning.errors import ManifestInvalid, ShardsDamaged
from worker.learning.kept_sets import alone, delete_unused
from worker.learning.shards import ReadPixels, ShardSet, fingerprint_of, pack_shards

_IDS = [100, 140, 103, 120, 101]
_ONE_EACH = {"oldest": 100, "old": 101, "new": 102, "newest": 103}
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
    assert len(list((tmp_path / shards.fingerprint).glob("*.shard"))) == 3
    assert shards.is_present.all()
    wanted = tiny.pixels(tiny.SIZE, 16)[[image - 100 for image in _IDS]]
    assert np.array_equal(shards.read(np.arange(5)), wanted)
    assert np.array_equal(shards.read(np.array([4, 0])), wanted[[4, 0]])


def test_a_complete_set_is_reused_without_reading_an_image(tmp_path: Path):
    read, progress = _CountingReader(), []
    first = _pack(tmp_path, read)
    assert sorted(read.asked) == sorted(_IDS)
    read.asked.clear()
    again = _pack(tmp_path, read, on_progress=lambda done, total: progress.append((done, total)))
    assert read.asked == []
    assert again.fingerprint == first.fingerprint
    assert progress[-1] == (5, 5)


@pytest.mark.parametrize("damage", ["flip a bit", "cut", "remove", "empty", "change the header", "change the table"])
@pytest.mark.parametrize("when", ["before it is opened", "while it is in use"])
def test_only_a_damaged_shard_is_made_again(tmp_path: Path, damage: str, when: str):
    read = _CountingReader()
    shards = _pack(tmp_path, read)
    wanted = shards.read(np.arange(5))
    path = tmp_path / shards.fingerprint / "00001.shard"
    content = bytearray(path.read_bytes())
    match damage:
        case "flip a bit":
            content[500] ^= 1
        case "cut":
            content = content[:3000]
        case "empty":
            content.clear()
        case "change the header":
            content[12] ^= 1
        case "change the table":
            content[-1] ^= 1
    path.unlink()
    if damage != "remove":
        path.write_bytes(content)
    read.asked.clear()
    if when == "before it is opened":
        shards = _pack(tmp_path, read)
    assert np.array_equal(shards.read(np.arange(5)), wanted)
    # An open set knows its table: it needs neither header nor table to read on.
    needs_none = when == "while it is in use" and damage.startswith("change")
    assert read.asked == ([] if needs_none else _IDS[2:4])


def test_a_run_ends_where_damaged_images_come_out_otherwise(tmp_path: Path):
    content = {"turned": False}

    def read(image_ids: Sequence[int]) -> Iterator[tiny.Pixels | None]:
        for pixels in tiny.reader()(image_ids):
            assert pixels is not None
            yield np.ascontiguousarray(pixels[::-1]) if content["turned"] else pixels

    shards = _pack(tmp_path, read)
    (tmp_path / shards.fingerprint / "00001.shard").unlink()
    content["turned"] = True
    with pytest.raises(ShardsDamaged, match="no longer agree"):
        shards.read(np.array([2]))


def test_packing_that_was_cut_short_goes_on_where_it_was(tmp_path: Path):
    read = _CountingReader()

    def fails(image_ids: Sequence[int]) -> Iterator[tiny.Pixels | None]:
        if image_ids[0] == _IDS[2]:
            raise OSError("the disk is gone")
        return read(image_ids)

    with pytest.raises(OSError, match="gone"):
        _pack(tmp_path, fails)
    (next(tmp_path.glob("*/*.shard")).with_name(".00001.shard.0f")).write_bytes(b"half")
    _pack(tmp_path, read)
    assert sorted(read.asked) == sorted(_IDS)
    assert {path.suffix for path in tmp_path.glob("*/*")} == {".shard", ""}


def test_two_runs_that_pack_one_set_at_the_same_time_share_the_work(tmp_path: Path):
    read, begun = _CountingReader(), threading.Event()

    def slowly(image_ids: Sequence[int]) -> Iterator[tiny.Pixels | None]:
        begun.set()
        for pixels in read(image_ids):
            time.sleep(0.02)
            yield pixels

    with ThreadPoolExecutor(2) as runs:
        first = runs.submit(_pack, tmp_path, slowly)
        begun.wait()
        second = runs.submit(_pack, tmp_path, slowly)
        one, other = first.result(), second.result()
    assert sorted(read.asked) == sorted(_IDS)
    assert np.array_equal(one.read(np.arange(5)), other.read(np.arange(5)))


def test_a_run_that_waits_for_another_can_be_cancelled(tmp_path: Path):
    class CancelledError(Exception):
        pass

    def cancelled(_done: int, _total: int) -> None:
        if told:
            raise CancelledError
        told.append(True)

    told: list[bool] = []
    shards = _pack(tmp_path, tiny.reader())
    with alone(tmp_path / shards.fingerprint / ".packing"), pytest.raises(CancelledError):
        _pack(tmp_path, tiny.reader(), on_progress=cancelled)


def test_unused_sets_go_by_age_then_by_size_and_never_one_in_use(tmp_path: Path):
    made = {name: pack_shards([ids], tiny.reader(), folder=tmp_path, input_size=32) for name, ids in _ONE_EACH.items()}
    names = {name: shards.fingerprint for name, shards in made.items()}
    for age, name in enumerate(reversed(_ONE_EACH)):
        os.utime(tmp_path / f"{names[name]}.lock", (time.time() - age * 3600,) * 2)
    size = sum(path.stat().st_size for path in (tmp_path / names["oldest"]).iterdir())

    assert delete_unused([tmp_path], unused_s=60, most_bytes=0) == []  # all are in use
    for name in ("old", "new", "newest"):
        made[name].close()
    assert delete_unused([tmp_path], unused_s=1.5 * 3600, most_bytes=10**9) == [names["old"]]
    assert delete_unused([tmp_path], unused_s=10**6, most_bytes=2 * size) == [names["new"]]
    assert delete_unused([tmp_path], unused_s=10**6, most_bytes=2 * size) == []
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {names["oldest"], names["newest"]}
    assert made["oldest"].read(np.array([0])).any()
    read = _CountingReader()
    pack_shards([_ONE_EACH["new"]], read, folder=tmp_path, input_size=32)
    assert read.asked == [_ONE_EACH["new"]]


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
