"""A trained trunk made smaller: int8 weights and activations, or its least weights set to zero.

int8 is done on the exported graph, after training: a network in Keras cannot quantise its convolutions. Ranges of
activations come from a representative set of images (static quantisation, as Jacob et al., "Quantization and Training
of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, describe it); weights are scaled by channel.
Pruning is by magnitude, each layer by the same share (Han et al., "Learning both Weights and Connections", 2015): a
warm start from the pruned version lets what is left recover.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from app.inference.engine import INPUT_NAME
from worker.learning.artifacts import TrunkCard, read_tensors, write_tensors
from worker.learning.errors import ConfigInvalid, ExportFailed
from worker.learning.files import written_beside

_FEWEST_AXES: Final = 2
"""Kernels have two axes or more; biases and norms one, and are left whole."""
_QUANTISED: Final = ["Conv", "MatMul", "Gemm"]
_PERCENTILE: Final = 99.9
"""Activations beyond it are clipped. Measured on EfficientNet-Lite0 and photos: the mean cosine of embeddings is 0.87
with the whole range, 0.94 at 99.99, 0.95 at 99.9, and more where the first convolution, which sees the pixels, is left.
"""


class _Images(CalibrationDataReader):  # type: ignore[misc]  # the library is untyped
    """The representative images, as the graph takes them."""

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self._images = self._read(images)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        """The next image; None at the end."""
        return next(self._images, None)

    @staticmethod
    def _read(images: npt.NDArray[np.uint8]) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
        # One by one: the histograms are of arrays of one shape, so that a last, smaller batch would not do.
        for image in images:
            yield {INPUT_NAME: image[None].astype(np.float32)}


def quantise(exported: Path, out_path: Path, images: npt.NDArray[np.uint8]) -> None:
    """Writes the int8 form of the exported trunk to `out_path`, atomically, with the same input and output.

    `images` are the representative set, uint8 (N, S, S, 3). Raises ConfigInvalid without images, ExportFailed.
    """
    if not len(images):
        raise ConfigInvalid("int8 needs images to find the ranges of activations; got none.")
    with (
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory(dir=out_path.parent) as folder,
        written_beside(out_path) as beside,
    ):
        prepared = Path(folder) / "prepared.onnx"
        try:
            quant_pre_process(str(exported), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(beside),
                _Images(images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_QUANTISED,
                nodes_to_exclude=[_first_convolution(prepared)],
                per_channel=True,
                calibrate_method=CalibrationMethod.Percentile,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"CalibPercentile": _PERCENTILE},
            )
        except (RuntimeError, ValueError) as error:
            raise ExportFailed(f"The trunk cannot be turned to int8: {error}") from error
        _keep_card(exported, beside)


def _first_convolution(path: Path) -> str:
    return next((str(node.name) for node in onnx.load(path).graph.node if node.op_type == "Conv"), "")


def _keep_card(exported: Path, out_path: Path) -> None:
    """The metadata of the export goes along."""
    before, after = onnx.load(exported, load_external_data=False), onnx.load(out_path)
    onnx.helper.set_model_props(after, {each.key: each.value for each in before.metadata_props})
    onnx.checker.check_model(after)
    onnx.save(after, out_path)


def prune(trunk_path: Path, out_path: Path, *, share: float) -> float:
    """Writes the trunk with the least `share` of each kernel's weights at zero; the share of all weights that are 0.

    Raises ConfigInvalid for a share outside 0..1 (both excluded), WeightsRefused for a damaged trunk.
    """
    if not 0 < share < 1:
        raise ConfigInvalid(f"The share of weights to prune lies between 0 and 1; got {share}.")
    tensors, metadata = read_tensors(trunk_path)
    card = TrunkCard.from_metadata(metadata)
    pruned = {name: _pruned(value, share) for name, value in tensors.items()}
    write_tensors(out_path, pruned, card.to_metadata())
    total = sum(value.size for value in pruned.values())
    return sum(int((value == 0).sum()) for value in pruned.values()) / total


def _pruned(value: npt.NDArray[Any], share: float) -> npt.NDArray[Any]:
    if value.ndim < _FEWEST_AXES or value.dtype.kind != "f":
        return value
    magnitude = np.abs(value)
    return np.where(magnitude <= np.quantile(magnitude, share), np.zeros_like(value), value)
