"""The trunk as a file for serving: ONNX, checked against the network it came from before it gets its name."""

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from app.inference.engine import TrunkEngine
from app.inference.errors import EngineError
from worker.learning.artifacts import TrunkCard, file_digest
from worker.learning.backend import keras, to_numpy
from worker.learning.errors import ExportFailed
from worker.learning.files import written_beside
from worker.learning.trunks import read_trunk

_OPSET: Final = 18
_LARGEST_DIFFERENCE: Final = 1e-3
"""Of an embedding value, as a share of the largest one; float32 arithmetic in another order gives about 1e-6."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    path: Path
    digest: str
    """SHA-256 of the ONNX file. Unlike a trunk's, it may differ between exports of one trunk."""
    trunk_digest: str
    input_size: int
    embedding_width: int
    largest_difference: float
    """Of any embedding value on random pixels against Keras, as a share of the largest value."""


def export_trunk(trunk_path: Path, out_path: Path) -> ExportReport:
    """Writes `out_path` atomically: input "image" float32 (N, S, S, 3) in 0..255, N free; output "embedding" (N, E).

    Raises WeightsRefused for a damaged trunk, ExportFailed if the file does not load or gives other values.
    """
    trunk, card = read_trunk(trunk_path)
    digest = file_digest(trunk_path)
    with written_beside(out_path) as beside:
        _convert(trunk, beside)
        _finish(beside, card, digest)
        difference = _compare(trunk, card, beside)
    return ExportReport(out_path, file_digest(out_path), digest, card.input_size, card.embedding_width, difference)


def _convert(trunk: Any, path: Path) -> None:
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # Keras probes NumPy for a name that it is about to patch in for tf2onnx.
        warnings.filterwarnings("ignore", message=r"In the future `np\.object`", category=FutureWarning)
        image = keras.InputSpec(dtype="float32", shape=trunk.input_shape, name="image")
        trunk.export(str(path), format="onnx", verbose=False, opset_version=_OPSET, input_signature=[image])


def _finish(path: Path, card: TrunkCard, trunk_digest: str) -> None:
    """Names the output, frees the batch size and writes the card into the file."""
    network = onnx.load(path)
    graph = network.graph
    if len(graph.input) != 1 or graph.input[0].name != "image" or len(graph.output) != 1:
        raise ExportFailed(f"The export must have one input, image, and one output; got {_names(graph)}.")
    old = graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = "embedding"
    graph.output[0].name = "embedding"
    for value in (graph.input[0], graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = card.embedding_width
    onnx.helper.set_model_props(network, {**card.to_metadata(), "trunk_digest": trunk_digest})
    onnx.checker.check_model(network)
    onnx.save(network, path)


def _names(graph: Any) -> str:
    return f"{[each.name for each in graph.input]} and {[each.name for each in graph.output]}"


def _compare(trunk: Any, card: TrunkCard, path: Path) -> float:
    size = card.input_size
    images = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    trained = to_numpy(trunk(images.astype(np.float32), training=False))
    try:
        exported = TrunkEngine(path, threads=1).embed(images)
    except EngineError as error:
        raise ExportFailed(f"The exported {card.architecture} cannot be used: {error}") from error
    difference = float(np.abs(trained - exported).max() / max(np.abs(trained).max(), 1e-9))
    if exported.shape != trained.shape or not difference <= _LARGEST_DIFFERENCE:
        raise ExportFailed(
            f"The exported {card.architecture} gives other embeddings than the trained one: they differ by"
            f" {difference:.2g} of the largest value; {_LARGEST_DIFFERENCE} is allowed."
        )
    return difference
