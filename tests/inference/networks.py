"""A tiny trunk in ONNX, built without Keras: convolution, ReLU, mean over the picture."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, WIDTH = 24, 12


def tiny_trunk(
    path: Path,
    *,
    batch: int | str = "batch",
    size: int = SIZE,
    input_name: str = "image",
    scale: float = 1 / 255,
    pool: bool = True,
) -> Path:
    """Write it to `path`; the arguments make trunks that break one rule each."""
    random = np.random.default_rng(3)
    kernel = (random.normal(size=(WIDTH, 3, 3, 3)) * scale).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", [input_name], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["maps"], strides=[2, 2]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("ReduceMean", ["active", "axes"], ["embedding"], keepdims=0),
    ]
    axes = np.array([2, 3] if pool else [3], dtype=np.int64)
    rank = 2 if pool else 3
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, size, size, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(axes, "axes")],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(network)
    path.write_bytes(network.SerializeToString())
    return path


def noise(count: int, *, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """uint8 images (count, size, size, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
