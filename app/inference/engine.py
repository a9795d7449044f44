"""The trunk as exported, run by ONNX Runtime on the CPU."""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from app.inference.errors import EngineError

INPUT_NAME: Final = "image"
DEFAULT_BATCH: Final = 16
_RANK, _CHANNELS, _EMBEDDINGS_RANK = 4, 3, 2

_FAILURES = (
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


class TrunkEngine:
    """A trunk in ONNX: input `image` float32 (N, S, S, 3) in 0..255 with N free, one output float32 (N, E).

    Safe to use from several threads. `threads` counts the cores one call may use (None: all).
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Load the file. Raises `EngineError` where it is missing, damaged, or not such a trunk."""
        if not path.is_file():
            raise EngineError(f"A trunk is a file; there is none at {path.name!r}.")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # Waiting threads would spin on the cores that decoding needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except _FAILURES as error:
            raise EngineError(f"A trunk must be a valid ONNX model; {path.name!r} is not: {error}") from error
        self._input_size = self._read_input_size()
        self._output = self._read_output()
        self._width = self._measure_width()

    @property
    def input_size(self) -> int:
        """Side S of the square input in pixels."""
        return self._input_size

    @property
    def width(self) -> int:
        """Length E of an embedding."""
        return self._width

    def embed(
        self, images: NDArray[np.uint8] | NDArray[np.float32], *, batch: int = DEFAULT_BATCH
    ) -> NDArray[np.float32]:
        """Embeddings float32 (N, E) of RGB images uint8 or float32 (N, S, S, 3) in 0..255; N may be 0.

        Runs `batch` images at a time. Raises `EngineError` for another shape or dtype, and for embeddings
        that are not finite.
        """
        self._check(images)
        if batch < 1:
            raise EngineError(f"A batch has at least one image; got {batch}.")
        embeddings = np.empty((len(images), self._width), dtype=np.float32)
        for start in range(0, len(images), batch):
            embeddings[start : start + batch] = self._run(images[start : start + batch])
        if not np.isfinite(embeddings).all():
            raise EngineError("An embedding must be finite; the trunk gave NaN or infinity.")
        return embeddings

    def _run(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        feed = np.ascontiguousarray(images, dtype=np.float32)
        try:
            output: NDArray[np.float32] = self._session.run([self._output], {INPUT_NAME: feed})[0]
        except _FAILURES as error:
            raise EngineError(f"The trunk failed on {feed.shape}: {error}") from error
        return output

    def _check(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> None:
        wanted = (self._input_size, self._input_size, 3)
        if images.ndim != _RANK or images.shape[1:] != wanted:
            raise EngineError(f"Images must have the shape (N, {', '.join(map(str, wanted))}); got {images.shape}.")
        if images.dtype not in (np.uint8, np.float32):
            raise EngineError(f"Images must be uint8 or float32; got {images.dtype}.")

    def _read_input_size(self) -> int:
        inputs = self._session.get_inputs()
        if [node.name for node in inputs] != [INPUT_NAME]:
            raise EngineError(f"A trunk has one input {INPUT_NAME!r}; got {[node.name for node in inputs]}.")
        shape, kind = inputs[0].shape, inputs[0].type
        is_square = len(shape) == _RANK and isinstance(shape[1], int) and shape[1] == shape[2] and shape[3] == _CHANNELS
        if not is_square or kind != "tensor(float)":
            raise EngineError(f"A trunk's input is float32 (N, S, S, 3) with a fixed S; got {kind} {shape}.")
        if isinstance(shape[0], int):
            raise EngineError(f"A trunk must be exported with a free batch size; this one takes {shape[0]} images.")
        return int(shape[1])

    def _read_output(self) -> str:
        outputs = self._session.get_outputs()
        if len(outputs) != 1:
            raise EngineError(f"A trunk has one output; got {[node.name for node in outputs]}.")
        return str(outputs[0].name)

    def _measure_width(self) -> int:
        """By running it once: exporters do not always write the output's shape."""
        output = self._run(np.zeros((1, self._input_size, self._input_size, 3), dtype=np.float32))
        if output.ndim != _EMBEDDINGS_RANK or len(output) != 1 or output.dtype != np.float32:
            raise EngineError(f"A trunk's output is float32 (N, E); for one image got {output.dtype} {output.shape}.")
        return int(output.shape[1])
