import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from worker.learning.efficientnet_lite import find_weights
from worker.learning.errors import WeightsRefused
from worker.learning.torch_weights import read_torch_weights

_HEADER = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]


class _Hostile:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self._marker}",)


def _file(path: Path, *objects: object, tail: bytes = b"") -> Path:
    path.write_bytes(b"".join(pickle.dumps(each, protocol=2) for each in objects) + tail)
    return path


@pytest.mark.parametrize("place", range(5))
def test_a_pickle_that_calls_a_function_is_refused_wherever_it_stands(tmp_path: Path, place: int):
    marker = tmp_path / "ran"
    objects: list[object] = [*_HEADER, {}, []]
    objects[place] = _Hostile(marker)
    path = _file(tmp_path / "hostile.pth", *objects)
    with pytest.raises(WeightsRefused, match=r"posix\.system|nt\.system"):
        read_torch_weights(path)
    assert not marker.exists()


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__])
def test_builtins_are_refused(tmp_path: Path, function: object):
    with pytest.raises(WeightsRefused, match="not allowed"):
        read_torch_weights(_file(tmp_path / "hostile.pth", *_HEADER, function))


def test_another_format_or_a_cut_file_is_refused(tmp_path: Path):
    cut = tmp_path / "cut.pth"
    cut.write_bytes(find_weights("efficientnet_lite0").read_bytes()[:1_000_000])
    text = tmp_path / "text.pth"
    text.write_text("no weights here")
    other = _file(tmp_path / "other.pth", 42, 1001, {}, {}, [])
    for path in (cut, text, other):
        with pytest.raises(WeightsRefused):
            read_torch_weights(path)


def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path: Path):
    # As the format writes it: a global, then a persistent id for the storage.
    pickled = (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
        b"FloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04NtQK\x00(K\x64t(K\x01t\x89NtRs."
    )
    head = b"".join(pickle.dumps(each, protocol=2) for each in _HEADER)
    keys = pickle.dumps(["0"], protocol=2)
    values = struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes()
    path = tmp_path / "long.pth"
    path.write_bytes(head + pickled + keys + values)
    with pytest.raises(WeightsRefused, match="beyond its storage"):
        read_torch_weights(path)
    path.write_bytes(head + pickled.replace(b"(K\x64t", b"(K\x04t") + keys + values)
    assert read_torch_weights(path)["w"].tolist() == [0, 1, 2, 3]
