"""Where a trunk's activation lies in an image: the map that its embedding is the mean of.

The exported file has the embedding as its only output. The map before the pooling is named in the same file, and
Protocol Buffers merge what is appended to a message: an output of that name after the file's own bytes makes ONNX
Runtime give the map too. So every trunk that was ever exported can be asked, without another export.
(ONNX: onnx.proto, fields of ModelProto, GraphProto, NodeProto, ValueInfoProto.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.inference.engine import INPUT_NAME
from app.inference.errors import EngineError

_GRAPH, _NODE, _OUTPUT, _NAME = 7, 1, 12, 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND = 1, 2, 4
_BYTES: Final = 2
_POOLS: Final = frozenset({b"ReduceMean", b"GlobalAveragePool"})
_SHAPES: Final = frozenset({b"Squeeze", b"Reshape", b"Flatten", b"Identity", b"Cast"})


class ActivationEngine:
    """A trunk that gives how strongly each place of an image is activated."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Load the file. Raises EngineError where its embedding is not the mean of a map."""
        content = path.read_bytes()
        name = _pooled(content)
        if name is None:
            raise EngineError("This trunk's embedding is not the mean of a map; it cannot say where its subject lies.")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        wanted = _field(_GRAPH, _field(_OUTPUT, _field(_NAME, name)))
        self._session = onnxruntime.InferenceSession(content + wanted, options, providers=["CPUExecutionProvider"])
        self._name = name.decode()
        self.input_size = int(self._session.get_inputs()[0].shape[1])
        self._is_channels_first = self._channels_first()

    def energy(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The squared activation summed over the channels, float32 (N, H, W), of images (N, S, S, 3)."""
        feed = np.ascontiguousarray(images, dtype=np.float32)
        found = self._session.run([self._name], {INPUT_NAME: feed})[0]
        energy: NDArray[np.float32] = np.square(found).sum(axis=1 if self._is_channels_first else 3)
        return energy

    def _channels_first(self) -> bool:
        """Whichever of the two layouts has the embedding's width where it puts the channels."""
        probe = np.zeros((1, self.input_size, self.input_size, 3), dtype=np.float32)
        outputs = [node.name for node in self._session.get_outputs()]
        embedding, found = self._session.run([outputs[0], self._name], {INPUT_NAME: probe})
        return bool(found.shape[1] == embedding.shape[1] and found.shape[3] != embedding.shape[1])


def active_share(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share of the image that is active, float32 (N,) in 0..1: the participation ratio of the energy (N, H, W).

    1 where all places are as active, 1 / (H W) where one alone is.
    """
    flat = energy.reshape(len(energy), -1).astype(np.float64)
    squares = np.maximum((flat**2).sum(axis=1), 1e-30)
    return np.asarray(flat.sum(axis=1) ** 2 / (flat.shape[1] * squares), dtype=np.float32)


def _pooled(content: bytes) -> bytes | None:
    """The name of the map that the graph's last pooling takes, or None where the embedding comes about otherwise."""
    graph = next((value for number, value in _fields(content) if number == _GRAPH), b"")
    made: dict[bytes, tuple[bytes, bytes]] = {}
    wanted = b""
    for number, value in _fields(graph):
        if number == _NODE:
            parts = list(_fields(value))
            inputs = [part for place, part in parts if place == _NODE_INPUT]
            kind = next((part for place, part in parts if place == _NODE_KIND), b"")
            made |= {part: (kind, inputs[0] if inputs else b"") for place, part in parts if place == _NODE_OUTPUT}
        elif number == _OUTPUT:
            wanted = next((part for place, part in _fields(value) if place == _NAME), b"")
    while wanted in made:
        kind, before = made[wanted]
        if kind in _POOLS:
            return before
        if kind not in _SHAPES:
            return None
        wanted = before
    return None


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message, by number; others are passed over."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == _BYTES:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        elif key & 7 == 0:
            _, at = _varint(message, at)
        else:
            at += {1: 8, 5: 4}.get(key & 7, len(message))


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:  # noqa: PLR2004 - the highest bit says that more follow
            return value, at


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _length(len(value)) + value


def _length(number: int) -> bytes:
    out = b""
    while number > 127:  # noqa: PLR2004 - seven bits to the byte
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])
