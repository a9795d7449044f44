"""Does what will serve answer as what was trained? In FP32 the first answer must be the same wherever it is sure."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from app.inference.engine import TrunkEngine
from app.inference.head import load_head
from worker.learning.backend import keras, to_numpy
from worker.learning.errors import ConfigInvalid, ParityBroken
from worker.learning.trunks import read_trunk

MARGIN: Final = 1e-3
Scores = npt.NDArray[np.float32]
Scorer = Callable[[npt.NDArray[np.uint8]], Scores]
"""Takes uint8 (N, S, S, 3), gives confidences float32 (N, C)."""


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How two ways to score the same images agree."""

    images: int
    sure: int
    """Images whose first answer leads the second by more than MARGIN in the trained network."""
    agreement: float
    """Share of the sure images with the same first answer, 0..1; 1 if none is sure."""
    largest_difference: float
    """Of any confidence."""


def check_parity(images: npt.NDArray[np.uint8], *, trained: Scorer, exported: Scorer) -> ParityReport:
    """Scores `images` both ways. Raises ParityBroken if a sure first answer differs, ConfigInvalid without images."""
    if not len(images):
        raise ConfigInvalid("A parity check needs images; got none.")
    reference, served = trained(images), exported(images)
    if reference.shape != served.shape:
        raise ParityBroken(f"The trained network gives {reference.shape} scores, the exported {served.shape}.")
    best = np.sort(reference, axis=1)[:, -2:]
    sure = best[:, 1] - best[:, 0] > MARGIN
    same = reference.argmax(axis=1) == served.argmax(axis=1)
    report = ParityReport(
        images=len(images),
        sure=int(sure.sum()),
        agreement=float(same[sure].mean()) if sure.any() else 1.0,
        largest_difference=float(np.abs(reference - served).max()),
    )
    if report.agreement < 1 or not np.isfinite(report.largest_difference):
        raise ParityBroken(
            f"The exported network must give the trained one's first answer wherever it leads by more than {MARGIN};"
            f" it did so for {report.agreement:.2%} of {report.sure} such images"
            f" (largest difference of a confidence: {report.largest_difference:.2g})."
        )
    return report


def check_exported(
    images: npt.NDArray[np.uint8], *, trunk_path: Path, head_path: Path, onnx_path: Path, threads: int | None = None
) -> ParityReport:
    """`check_parity` of the Keras network in `trunk_path` and `head_path` against the engine that will serve."""
    engine, head = TrunkEngine(onnx_path, threads=threads), load_head(head_path)
    return check_parity(
        images,
        trained=keras_scorer(trunk_path, head_path),
        exported=lambda pixels: head.scores(engine.embed(pixels)),
    )


def served_rate(images: npt.NDArray[np.uint8], engine: TrunkEngine) -> float:
    """Images per second through the engine that will serve, uint8 (N, S, S, 3): the median of three passes."""
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        engine.embed(images)
        rates.append(len(images) / (time.perf_counter() - started))
    return median(rates)


def keras_scorer(trunk_path: Path, head_path: Path, *, batch_size: int = 32) -> Scorer:
    """Scores by the trained network itself, in Keras from end to end."""
    trunk, _ = read_trunk(trunk_path)
    head = load_head(head_path)
    dense = keras.layers.Dense(head.classes, activation="softmax")
    network = keras.Model(trunk.input, dense(trunk.output))
    dense.set_weights([head.kernel, head.bias])

    def score(images: npt.NDArray[np.uint8]) -> Scores:
        blocks = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
        return np.concatenate([to_numpy(network(block.astype(np.float32), training=False)) for block in blocks])

    return score
