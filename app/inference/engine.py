"""The trunk as exported, run by the engine of a plan; whichever computes, images and embeddings look alike."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.inference.backends import FAILURES, INPUT_NAME, open_backend
from app.inference.errors import EngineError
from app.inference.plans import EnginePlan

__all__ = ["INPUT_NAME", "TrunkEngine"]
_RANK, _CHANNELS, _EMBEDDINGS_RANK = 4, 3, 2
_PLAIN: Final = EnginePlan()


class TrunkEngine:
    """A trunk in ONNX: input `image` float32 (N, S, S, 3) in 0..255 with N free, one output float32 (N, E).

    Safe to use from several threads; `plan.streams` calls at once fill the cores.
    """

    def __init__(self, path: Path, *, threads: int | None = None, plan: EnginePlan = _PLAIN) -> None:
        """Load the file. `threads` counts the cores one call may use (None: as the plan says).

        Raises `EngineError` where the file is missing, damaged, or not such a trunk, and where the plan cannot run.
        """
        if not path.is_file():
            raise EngineError(f"A trunk is a file; there is none at {path.name!r}.")
        self.plan = plan if threads is None else plan.for_one_call(threads)
        try:
            self._backend = open_backend(path, self.plan)
        except FAILURES as error:
            raise EngineError(f"A trunk must be a valid ONNX model; {path.name!r} is not: {error}") from error
        self._input_size = self._read_input_size()
        self._check_outputs()
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
        self, images: NDArray[np.uint8] | NDArray[np.float32], *, batch: int | None = None
    ) -> NDArray[np.float32]:
        """Embeddings float32 (N, E) of RGB images uint8 or float32 (N, S, S, 3) in 0..255; N may be 0.

        Runs `batch` images at a time (None: the plan's). Raises `EngineError` for another shape or dtype, and for
        embeddings that are not finite.
        """
        self._check(images)
        step = self.plan.batch if batch is None else batch
        if step < 1:
            raise EngineError(f"A batch has at least one image; got {step}.")
        embeddings = np.empty((len(images), self._width), dtype=np.float32)
        for start in range(0, len(images), step):
            embeddings[start : start + step] = self._run(images[start : start + step])
        if not np.isfinite(embeddings).all():
            raise EngineError("An embedding must be finite; the trunk gave NaN or infinity.")
        return embeddings

    def _run(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        feed = np.ascontiguousarray(images, dtype=np.float32)
        try:
            return self._backend.run(feed)
        except FAILURES as error:
            raise EngineError(f"The trunk failed on {feed.shape}: {error}") from error

    def _check(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> None:
        wanted = (self._input_size, self._input_size, 3)
        if images.ndim != _RANK or images.shape[1:] != wanted:
            raise EngineError(f"Images must have the shape (N, {', '.join(map(str, wanted))}); got {images.shape}.")
        if images.dtype not in (np.uint8, np.float32):
            raise EngineError(f"Images must be uint8 or float32; got {images.dtype}.")

    def _read_input_size(self) -> int:
        found = self._backend
        if found.inputs != [INPUT_NAME]:
            raise EngineError(f"A trunk has one input {INPUT_NAME!r}; got {found.inputs}.")
        shape, kind = found.shape, found.kind
        is_square = len(shape) == _RANK and isinstance(shape[1], int) and shape[1] == shape[2] and shape[3] == _CHANNELS
        if not is_square or kind != "tensor(float)":
            raise EngineError(f"A trunk's input is float32 (N, S, S, 3) with a fixed S; got {kind} {shape}.")
        if isinstance(shape[0], int):
            raise EngineError(f"A trunk must be exported with a free batch size; this one takes {shape[0]} images.")
        return int(str(shape[1]))

    def _check_outputs(self) -> None:
        if len(self._backend.outputs) != 1:
            raise EngineError(f"A trunk has one output; got {self._backend.outputs}.")

    def _measure_width(self) -> int:
        """By running it once: exporters do not always write the output's shape."""
        output = self._run(np.zeros((1, self._input_size, self._input_size, 3), dtype=np.float32))
        if output.ndim != _EMBEDDINGS_RANK or len(output) != 1 or output.dtype != np.float32:
            raise EngineError(f"A trunk's output is float32 (N, E); for one image got {output.dtype} {output.shape}.")
        return int(output.shape[1])
