"""The head: dropout and one dense layer from the embedding to a score for each class."""

from pathlib import Path
from typing import Any

from worker.learning.artifacts import write_tensors
from worker.learning.backend import keras, to_numpy

OUTPUT_LAYER = "scores"


def add_head(embedding: Any, *, class_count: int, dropout: float) -> Any:
    """Logits, float32 (N, class_count), by a new dense layer with random weights."""
    dropped = keras.layers.Dropout(dropout, name="dropout")(embedding)
    return keras.layers.Dense(class_count, name=OUTPUT_LAYER)(dropped)


def save_head(network: Any, path: Path) -> str:
    """Writes `kernel` (E, C) and `bias` (C,), float32, atomically; returns the file's SHA-256.

    `app.inference.head.load_head` reads it.
    """
    kernel, bias = (to_numpy(each) for each in network.get_layer(OUTPUT_LAYER).weights)
    width, classes = kernel.shape
    metadata = {"kind": "head", "class_count": str(classes), "embedding_width": str(width)}
    return write_tensors(path, {"kernel": kernel, "bias": bias}, metadata)
