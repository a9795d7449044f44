"""Images per second of a cold bulk identification, end to end, against Keras and against what the machine could do.

Product: an identification run over a pool whose renditions exist and whose embeddings do not, in a process of its own,
from the claim of the run to predictions in SQLite. Baseline: the same network by `image_dataset_from_directory` and
`predict` on the original files. Limit: the rate at which decoding with resizing and the bare engine, each measured
alone on all cores, would together fill them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import onnxruntime
from filling import fill_library, make_project, renditions
from measuring import (
    Figure,
    Goal,
    Options,
    Outcome,
    cores_here,
    in_turns,
    installation,
    rate,
    ratio,
    run_benchmark,
    say,
)
from networks import Exported, export, open_bare_engines, register
from photos import bare_pixels, load_photos, spread

from app.inference.engine import DEFAULT_BATCH, INPUT_NAME
from app.library.preparing import Preparer

ABOUT: Final = "Cold bulk identification against Keras predict and against the limit of the machine."
NETWORKS: Final = {"mobilenet_v3": "mobilenet_v3_small", "efficientnet_lite0": "efficientnet_lite0"}
"""Trunks by the name that their figures begin with."""
KERAS_BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Stage:
    """A filled library, its renditions in memory, and the same photos as files."""

    project_id: int
    renditions: Sequence[bytes]
    originals: Path


def measure(options: Options) -> Outcome:
    """Each network in turns: Keras, the product, the engine alone, decoding alone."""
    photos = spread(load_photos(options), options.choose_photos(quick=600, full=5000))
    rounds = options.choose_rounds(quick=2, full=3)
    figures: dict[str, Figure] = {}
    with installation() as data:
        stage = _set_stage([photo.content for photo in photos], data)
        for name, trunk in NETWORKS.items():
            say(f"{name}: exporting {trunk}")
            figures |= {f"{name}_{key}": value for key, value in _measure_network(trunk, stage, data, rounds).items()}
    figures["share_of_limit"] = min(figures[f"{name}_share_of_limit"] or 0.0 for name in NETWORKS)
    figures["peak_gib"] = max(figures.pop(f"{name}_peak_gib") or 0.0 for name in NETWORKS)
    goals = [
        Goal("mobilenet_v3_over_predict", figures["mobilenet_v3_over_predict"], "at least", 4.0),
        Goal("share_of_limit", figures["share_of_limit"], "at least", 0.85),
    ]
    parameters = {"photos": len(photos), "rounds": rounds, "engine_batch": DEFAULT_BATCH, "keras_batch": KERAS_BATCH}
    return Outcome(parameters, figures, goals)


def _set_stage(contents: Sequence[bytes], data: Path) -> Stage:
    say(f"importing {len(contents)} photos")
    project_id = make_project()
    with Preparer() as preparer:
        fill_library(project_id, contents, preparer)
    originals = data / "originals"
    originals.mkdir()
    for number, content in enumerate(contents):
        (originals / f"{number:06d}.jpg").write_bytes(content)
    return Stage(project_id, renditions(project_id), originals)


def _measure_network(trunk: str, stage: Stage, data: Path, rounds: int) -> dict[str, Figure]:
    exported = export(trunk, data)
    version_id = register(stage.project_id, exported)
    peaks: list[float] = []
    measured = in_turns(
        rounds,
        {
            "predict": _keras_act(exported, stage),
            "product": partial(_product_rate, stage, version_id, peaks),
            "engine": _engine_act(exported, stage),
            "decoding": partial(_decoding_rate, stage, exported.input_size),
        },
    )
    figures: dict[str, Figure] = {f"{act}_images_per_second": median(found) for act, found in measured.items()}
    limits = [1 / (1 / e + 1 / d) for e, d in zip(measured["engine"], measured["decoding"], strict=True)]
    figures["limit_images_per_second"] = median(limits)
    figures["over_predict"] = ratio(measured["product"], measured["predict"])
    figures["share_of_limit"] = ratio(measured["product"], limits)
    figures["peak_gib"] = max(peaks)
    return figures


def _keras_act(exported: Exported, stage: Stage) -> Callable[[], float]:
    """Files to confidences as Keras documents it; tracing is done beforehand."""
    from worker.learning.backend import keras

    def open_photos() -> Any:
        return keras.utils.image_dataset_from_directory(
            stage.originals,
            labels=None,
            image_size=(exported.input_size, exported.input_size),
            batch_size=KERAS_BATCH,
            shuffle=False,
            verbose=False,
        )

    exported.network.predict(open_photos().take(1), verbose=0)
    count = len(list(stage.originals.iterdir()))
    return lambda: rate(count, lambda: exported.network.predict(open_photos(), verbose=0))


def _product_rate(stage: Stage, version_id: int, peaks: list[float]) -> float:
    script = Path(__file__).with_name("identifying.py")
    command = [sys.executable, str(script), str(stage.project_id), str(version_id)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["images"] != len(stage.renditions):
        raise RuntimeError(f"{len(stage.renditions)} images were to be identified; {found['images']} were")
    peaks.append(found["peak_gib"])
    return float(found["images"] / found["seconds"])


def _engine_act(exported: Exported, stage: Stage) -> Callable[[], float]:
    """The exported trunk on all cores, fed with pixels that are at hand."""
    engines = open_bare_engines(exported).values()
    pixels = np.stack([bare_pixels(each, exported.input_size) for each in stage.renditions[:DEFAULT_BATCH]])
    feed = {INPUT_NAME: pixels.astype(np.float32)}
    batches = -(-len(stage.renditions) // DEFAULT_BATCH)

    def run_all(engine: onnxruntime.InferenceSession) -> None:
        for _ in range(batches):
            engine.run(None, feed)

    return lambda: max(rate(batches * len(pixels), partial(run_all, engine)) for engine in engines)


def _decoding_rate(stage: Stage, size: int) -> float:
    with ThreadPoolExecutor(cores_here()) as threads:
        decode = partial(bare_pixels, size=size)
        return rate(len(stage.renditions), lambda: list(threads.map(decode, stage.renditions)))


if __name__ == "__main__":
    run_benchmark("identify", measure, about=ABOUT)
