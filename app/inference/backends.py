"""The engines behind one face: a file opened by a plan, and batches of float32 images to embeddings."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from app.inference.errors import EngineError
from app.inference.plans import EngineName, EnginePlan, Precision, cores, runs_here

INPUT_NAME: Final = "image"
Images = NDArray[np.float32]
FAILURES: Final = (
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NoSuchFile,
    native.NotImplemented,
    native.RuntimeException,
    OSError,
    RuntimeError,
)
_HINTS: Final = {Precision.FLOAT32: "f32", Precision.BFLOAT16: "bf16"}
_PROVIDERS: Final[dict[EngineName, list[Any]]] = {
    EngineName.ONNXRUNTIME: ["CPUExecutionProvider"],
    # TensorFloat-32 would be a reduced precision under float32's name.
    EngineName.ONNXRUNTIME_CUDA: [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"],
}


class Backend(Protocol):
    """An opened trunk. `shape` and `kind` are the input's as the file states them, `outputs` the names of outputs."""

    inputs: list[str]
    shape: list[int | str | None]
    kind: str
    outputs: list[str]

    def run(self, images: Images) -> NDArray[np.float32]:
        """Embeddings of a batch; safe among threads. Raises one of FAILURES."""
        ...


def open_backend(path: Path, plan: EnginePlan) -> Backend:
    """Open a file. Raises EngineError where the plan does not run here, and one of FAILURES for a file that is none."""
    if not runs_here(plan.engine, plan.precision):
        raise EngineError(f"This machine cannot compute by {plan.engine} in {plan.precision}.")
    return OpenVinoBackend(path, plan) if plan.engine == EngineName.OPENVINO else OnnxRuntimeBackend(path, plan)


class OnnxRuntimeBackend:
    """By ONNX Runtime. A call computes in its caller's thread and in those that the session holds beside it."""

    def __init__(self, path: Path, plan: EnginePlan) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = plan.threads
        options.inter_op_num_threads = 1
        # Waiting threads would spin on the cores that decoding needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=_PROVIDERS[plan.engine])
        first = self._session.get_inputs()[0]
        self.inputs = [node.name for node in self._session.get_inputs()]
        self.shape, self.kind = list(first.shape), str(first.type)
        self.outputs = [node.name for node in self._session.get_outputs()]

    def run(self, images: Images) -> NDArray[np.float32]:
        """Embeddings of a batch."""
        found: NDArray[np.float32] = self._session.run(self.outputs[:1], {INPUT_NAME: images})[0]
        return found


def load_openvino() -> Any:
    """The package, without its telemetry: that would report each import to its makers, by a process forked here."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None bars the import
    import openvino

    return openvino


class OpenVinoBackend:
    """By OpenVINO, compiled for the plan's batch, and where one call shall answer soonest also for one image.

    A batch that is not full is filled up: a fixed shape is faster, and an image's values do not depend on how many
    came with it.
    """

    def __init__(self, path: Path, plan: EnginePlan) -> None:
        self._plan = plan
        self._core = load_openvino().Core()
        self._path = path
        self._compiled: dict[int, SimpleQueue[Any]] = {}
        self._compiling = threading.Lock()
        network = self._core.read_model(str(path))
        self.inputs = [node.get_any_name() for node in network.inputs]
        shape = network.inputs[0].partial_shape
        self.shape = [each.get_length() if each.is_static else None for each in shape]
        is_float = network.inputs[0].element_type.get_type_name() == "f32"
        self.kind = "tensor(float)" if is_float else str(network.inputs[0].element_type)
        self.outputs = [node.get_any_name() for node in network.outputs]

    def run(self, images: Images) -> NDArray[np.float32]:
        """Embeddings of a batch; larger ones than the plan's go part by part."""
        size = 1 if len(images) == 1 and self._plan.streams == 1 else self._plan.batch
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        return np.concatenate([self._run_filled(part, size) for part in parts])

    def _run_filled(self, images: Images, size: int) -> NDArray[np.float32]:
        filled = images
        if len(images) < size:
            filled = np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), np.float32)])
        with self._request(size, images.shape[1:]) as request:
            request.infer({0: filled}, share_inputs=True)
            return np.array(request.get_output_tensor(0).data[: len(images)], dtype=np.float32)

    @contextmanager
    def _request(self, size: int, of_one: tuple[int, ...]) -> Iterator[Any]:
        """One of the requests compiled for batches of `size`; as many as there are streams."""
        with self._compiling:
            if size not in self._compiled:
                self._compiled[size] = self._compile(size, of_one)
            free = self._compiled[size]
        request = free.get()
        try:
            yield request
        finally:
            free.put(request)

    def _compile(self, size: int, of_one: tuple[int, ...]) -> SimpleQueue[Any]:
        network = self._core.read_model(str(self._path))
        network.reshape([size, *of_one])
        threads = self._plan.streams * (self._plan.threads or cores())
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[self._plan.precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": self._plan.streams,
            # Decoding shares these cores.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = self._core.compile_model(network, "CPU", options)
        requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self._plan.streams):
            requests.put(compiled.create_infer_request())
        return requests
