"""Reads tensors from a file in PyTorch's old format, without PyTorch and without trusting the file.

The format: five pickles (magic number, protocol 1001, system facts, the ordered dictionary of tensors,
the list of storage keys), then for each key an int64 count and the raw little-endian values. A pickle can
name any function to call, so the unpickler resolves the four names that a dictionary of tensors needs, to
inert stand-ins, and refuses every other one.
"""

import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from worker.learning.errors import WeightsRefused

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _StateDict(OrderedDict[str, Any]):
    """Takes the place of the file's dictionary; `__setstate__` drops the metadata hung on it."""

    def __setstate__(self, state: object) -> None:
        return None


def _rebuild(storage: _Storage, offset: int, shape: Any, stride: Any, *_: object) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(stride))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _StateDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise WeightsRefused(f"The weights file asks for {module}.{name}, which is not allowed.")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, *_ = pid
        if kind != "storage" or dtype not in ("<f4", "<i8"):
            raise WeightsRefused(f"The weights file holds a {kind!r} of {dtype!r}; only tensors are read.")
        return _Storage(str(key), dtype)


def read_torch_weights(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors of `path` by name, C-ordered, float32 or int64.

    Raises WeightsRefused if the file is damaged, of another form, or names anything but tensors.
    """
    try:
        with path.open("rb") as file:
            if _Restricted(file).load() != _MAGIC or _Restricted(file).load() != _PROTOCOL:
                raise WeightsRefused(f"{path.name} is not in PyTorch's old format.")
            _Restricted(file).load()
            tensors = _Restricted(file).load()
            keys = _Restricted(file).load()
            dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
            storages = {key: _read_storage(file, dtypes[key]) for key in keys}
            return {name: _view(tensor, storages) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise WeightsRefused(f"{path.name} is damaged or in another format: {error}.") from error


def _read_storage(file: IO[bytes], dtype: str) -> npt.NDArray[Any]:
    (count,) = struct.unpack("<q", file.read(8))
    values = np.frombuffer(file.read(count * np.dtype(dtype).itemsize), dtype=dtype)
    if len(values) != count:
        raise ValueError("the file ends too early")
    return values


def _view(tensor: _Tensor, storages: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    values = storages[tensor.storage.key]
    reach = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))
    if tensor.offset < 0 or tensor.offset + reach >= len(values) or min(tensor.stride, default=0) < 0:
        raise ValueError("a tensor reaches beyond its storage")
    strides = tuple(step * values.itemsize for step in tensor.stride)
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()
