"""A shard is read exactly as it was written, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.embeddings.shards import (
    HEADER_BYTES,
    EmbeddingRefused,
    ShardDamaged,
    open_shard,
    shard_path,
    to_half,
    write_shard,
)
from app.registry.schemas import TrunkRef

pytestmark = pytest.mark.usefixtures("installation")


def trunk(width: int) -> TrunkRef:
    return TrunkRef(1, "ab" * 32, "compact_cnn", 24, width, "v1-centre-bilinear", "w", "e", "cd" * 32, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**16),
    scale=st.sampled_from([1e-6, 1.0, 1e4]),
)
def test_a_shard_gives_back_its_rows_as_float16(rows: int, width: int, seed: int, scale: float):
    embeddings = (np.random.default_rng(seed).normal(size=(rows, width)) * scale).astype(np.float32)
    half = to_half(embeddings)
    mapped = open_shard(trunk(width), write_shard(trunk(width), half), rows=rows)
    assert mapped.dtype == np.float16
    assert np.array_equal(mapped, embeddings.astype(np.float16))


def test_the_file_lies_under_trunk_and_preprocessing_behind_a_header_of_64_bytes(installation: Path):
    name = write_shard(trunk(3), np.ones((2, 3), dtype=np.float16))
    path = installation / "embeddings" / ("ab" * 32) / "v1-centre-bilinear" / name
    content = path.read_bytes()
    assert len(content) == HEADER_BYTES + 2 * 3 * 2
    assert np.frombuffer(content, dtype="<f2", offset=HEADER_BYTES).tolist() == [1.0] * 6
    assert [file.name for file in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 65_505.0, -70_000.0])
def test_what_float16_cannot_hold_is_refused(value: float):
    with pytest.raises(EmbeddingRefused):
        to_half(np.array([[0.0, value]], dtype=np.float32))


def test_the_largest_value_that_float16_holds_is_kept():
    assert to_half(np.array([[65_504.0, -65_504.0]], dtype=np.float32)).tolist() == [[65_504.0, -65_504.0]]


@pytest.mark.parametrize("place", [0, 9, 17, 30, HEADER_BYTES, HEADER_BYTES + 11])
def test_one_changed_byte_is_noticed(place: int):
    name = write_shard(trunk(4), np.ones((3, 4), dtype=np.float16))
    path = shard_path(trunk(4), name)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(ShardDamaged):
        open_shard(trunk(4), name, rows=3)


def test_a_short_file_a_missing_one_and_another_width_are_damage():
    name = write_shard(trunk(4), np.ones((3, 4), dtype=np.float16))
    with pytest.raises(ShardDamaged):
        open_shard(trunk(4), name, rows=4)
    with pytest.raises(ShardDamaged):
        open_shard(trunk(6), name, rows=2)
    path = shard_path(trunk(4), name)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ShardDamaged):
        open_shard(trunk(4), name, rows=3)
    path.unlink()
    with pytest.raises(ShardDamaged):
        open_shard(trunk(4), name, rows=3)
