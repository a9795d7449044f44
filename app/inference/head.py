"""The head of a model version: embeddings to class scores in NumPy; stored as safetensors, never pickled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from app.inference.errors import EngineError

_MATRIX = 2
_TENSORS = {"kernel", "bias"}


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One linear layer: `kernel` float32 (E, C), `bias` float32 (C,), and a temperature.

    Raises `EngineError` for other shapes, values that are not finite, or a temperature that is not positive.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        shapes = f"kernel {self.kernel.dtype} {self.kernel.shape}, bias {self.bias.dtype} {self.bias.shape}"
        if self.kernel.ndim != _MATRIX or self.bias.shape != self.kernel.shape[1:] or not self.kernel.size:
            raise EngineError(f"A head has a kernel (E, C) and a bias (C,); got {shapes}.")
        if self.kernel.dtype != np.float32 or self.bias.dtype != np.float32:
            raise EngineError(f"A head's weights are float32; got {shapes}.")
        if not (np.isfinite(self.kernel).all() and np.isfinite(self.bias).all()):
            raise EngineError("A head's weights must be finite; got NaN or infinity.")
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise EngineError(f"A temperature must be above 0; got {self.temperature}.")

    @property
    def width(self) -> int:
        """Length E of the embeddings it takes."""
        return int(self.kernel.shape[0])

    @property
    def classes(self) -> int:
        """Number C of classes."""
        return int(self.kernel.shape[1])

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N, C) before the softmax and the temperature, from float32 embeddings (N, E)."""
        if embeddings.ndim != _MATRIX or embeddings.shape[1] != self.width or embeddings.dtype != np.float32:
            got = f"{embeddings.dtype} {embeddings.shape}"
            raise EngineError(f"Embeddings must be float32 (N, {self.width}); got {got}.")
        logits: NDArray[np.float32] = embeddings @ self.kernel
        logits += self.bias
        return logits

    def scores(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Confidences float32 (N, C): softmax of logits / temperature; each row sums to 1."""
        scores = self.logits(embeddings)
        scores /= np.float32(self.temperature)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores


def save_head(path: Path, *, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """Write a head as safetensors (`kernel`, `bias`). Raises `EngineError` where they are no head."""
    head = Head(kernel, bias)
    path.write_bytes(save({"kernel": np.ascontiguousarray(head.kernel), "bias": np.ascontiguousarray(head.bias)}))


def load_head(path: Path, *, temperature: float = 1.0) -> Head:
    """Read a head. Raises `EngineError` where the file is missing, damaged, or no head."""
    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise EngineError(f"A head must be a valid safetensors file; {path.name!r} is not: {error}") from error
    if set(tensors) != _TENSORS:
        raise EngineError(f"A head holds {sorted(_TENSORS)}; {path.name!r} holds {sorted(tensors)}.")
    return Head(tensors["kernel"], tensors["bias"], temperature)
