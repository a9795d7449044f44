"""The head: dropout and one dense layer from the embedding to a score for each class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.learning.artifacts import read_tensors, write_tensors
from worker.learning.backend import keras, to_numpy
from worker.learning.errors import WeightsRefused

OUTPUT_LAYER = "scores"
EMBEDDING_LAYER = "dropout"
"""The layer whose input is the embedding."""


def add_head(embedding: Any, *, class_count: int, dropout: float) -> Any:
    """Logits, float32 (N, class_count) at any precision, by a new dense layer with random weights."""
    dropped = keras.layers.Dropout(dropout, name=EMBEDDING_LAYER)(embedding)
    return keras.layers.Dense(class_count, dtype="float32", name=OUTPUT_LAYER)(dropped)


def keep_output(network: Any, parent_head: Path, columns: Mapping[int, int]) -> None:
    """Puts the parent's weights of classes that stay into the new output layer; the others stay random.

    `columns` maps a class's position in `network` to its position in the parent. Raises WeightsRefused if the
    parent's head is damaged or does not fit.
    """
    layer = network.get_layer(OUTPUT_LAYER)
    kernel, bias = (to_numpy(each) for each in layer.weights)
    tensors, _ = read_tensors(parent_head)
    old_kernel, old_bias = tensors.get("kernel"), tensors.get("bias")
    if old_kernel is None or old_bias is None or old_kernel.shape[0] != kernel.shape[0]:
        raise WeightsRefused(f"The parent's head does not fit an embedding that is {kernel.shape[0]} wide.")
    today, before = list(columns), list(columns.values())
    if columns and (max(today) >= len(bias) or max(before) >= len(old_bias)):
        raise WeightsRefused(f"The parent's head has {len(old_bias)} classes; position {max(before)} was asked for.")
    kernel[:, today], bias[today] = old_kernel[:, before], old_bias[before]
    layer.set_weights([kernel, bias])


def save_head(network: Any, path: Path) -> str:
    """Writes `kernel` (E, C) and `bias` (C,), float32, atomically; returns the file's SHA-256.

    `app.inference.head.load_head` reads it.
    """
    kernel, bias = (to_numpy(each) for each in network.get_layer(OUTPUT_LAYER).weights)
    width, classes = kernel.shape
    metadata = {"kind": "head", "class_count": str(classes), "embedding_width": str(width)}
    return write_tensors(path, {"kernel": kernel, "bias": bias}, metadata)
