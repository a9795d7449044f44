"""Trunk and head as files: safetensors, the same bytes for the same weights, read without running any code.

The safetensors library orders metadata at random, so the header is written here (format:
https://huggingface.co/docs/safetensors, 8 bytes of header length, JSON, raw tensors); the library reads it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from app.registry.trunks import INPUT_CONVENTION, TRUNKS
from worker.learning.errors import WeightsRefused
from worker.learning.files import written_beside

Tensors = dict[str, npt.NDArray[Any]]

_DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "uint32": "U32", "bool": "BOOL"}


@dataclass(frozen=True, slots=True)
class TrunkCard:
    """What a trunk file says of itself."""

    architecture: str
    input_size: int
    embedding_width: int
    preprocessing: str = INPUT_CONVENTION
    kind: Literal["trunk"] = "trunk"

    def to_metadata(self) -> dict[str, str]:
        """As the file's header holds it: text to text."""
        return {name: str(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Raises WeightsRefused for a missing or senseless entry."""
        try:
            card = cls(
                architecture=metadata["architecture"],
                input_size=int(metadata["input_size"]),
                embedding_width=int(metadata["embedding_width"]),
                preprocessing=metadata["preprocessing"],
            )
        except (KeyError, ValueError) as error:
            raise WeightsRefused(f"The trunk file's header is incomplete: {error}.") from error
        if metadata.get("kind") != "trunk" or card.architecture not in TRUNKS:
            raise WeightsRefused(f"This is no trunk that is known here: {dict(metadata)}.")
        if card.preprocessing != INPUT_CONVENTION:
            raise WeightsRefused(f"The trunk expects {card.preprocessing!r}; this version gives {INPUT_CONVENTION!r}.")
        return card


def serialise(tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    """A safetensors file's bytes: tensors and metadata in sorted order, so equal input gives equal bytes."""
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    parts: list[bytes] = []
    offset = 0
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name]).reshape(np.shape(tensors[name]))
        part = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        header[name] = {
            "dtype": _DTYPES[values.dtype.name],
            "shape": list(values.shape),
            "data_offsets": [offset, offset + len(part)],
        }
        parts.append(part)
        offset += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, *parts))


def write_tensors(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> str:
    """Writes `path` atomically; returns the SHA-256 of its bytes."""
    content = serialise(tensors, metadata)
    with written_beside(path) as beside:
        beside.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors by name and the metadata. Raises WeightsRefused if the file is damaged or not there."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsRefused(f"{path.name} cannot be read as safetensors: {error}.") from error


def file_digest(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_trunk_card(path: Path) -> TrunkCard:
    """The card of a trunk file, without its weights. Raises WeightsRefused if the file is damaged or no trunk."""
    try:
        with safe_open(path, framework="numpy") as file:
            return TrunkCard.from_metadata(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsRefused(f"{path.name} cannot be read as safetensors: {error}.") from error
