"""Trunk and head joined: images to class scores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.inference.engine import TrunkEngine
from app.inference.errors import EngineError
from app.inference.head import Head, load_head


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A model version at work. Raises `EngineError` where the two do not fit each other."""

    engine: TrunkEngine
    head: Head

    def __post_init__(self) -> None:
        if self.engine.width != self.head.width:
            rule = "Trunk and head must agree on the embedding's length"
            raise EngineError(f"{rule}; got {self.engine.width} and {self.head.width}.")

    def scores(
        self, images: NDArray[np.uint8] | NDArray[np.float32], *, batch: int | None = None
    ) -> NDArray[np.float32]:
        """Confidences float32 (N, C) of RGB images (N, S, S, 3) in 0..255. Raises `EngineError`."""
        return self.head.scores(self.engine.embed(images, batch=batch))


def load_classifier(
    trunk_onnx: Path, head_path: Path, *, threads: int | None = None, temperature: float = 1.0
) -> Classifier:
    """Read both parts of a model version. Raises `EngineError`."""
    return Classifier(TrunkEngine(trunk_onnx, threads=threads), load_head(head_path, temperature=temperature))
