"""Every trunk: is it what the table says, does its export answer as Keras does by each engine, how fast is it here.

For each trunk, in a process of its own: the counts of the built network against `app/registry/trunks.py`; the exported
network by each engine and precision that runs here against Keras, at batches of 1, 7 and 16 with a last one that is not
full, at the smallest input; then, at its own input size, images per second of a training step and of each engine, with
Keras's `predict` on the same pixels as the baseline. Weights are those of the packages where there are some, else
random. `--quick` takes the trunks of up to five million parameters.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from measuring import Figure, Goal, Options, Outcome, cores_here, rate, run_benchmark, say

from app.inference.engine import TrunkEngine
from app.inference.plans import EnginePlan, offered
from app.inference.trials import measure_rate
from app.registry.trunks import TRUNKS
from app.registry.weights import weights_at_hand

ABOUT: Final = "Every trunk: counts, export against Keras, images per second."
SMALL: Final = 5_000_000
IMAGES: Final = 17
BATCHES: Final = (1, 7, 16)
BASELINE_BATCHES: Final = 2


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one trunk. Differences are shares of the largest value of an embedding, rates images/s.

    Both are by "engine precision"; a rate is that of the processor's own seconds with all cores free.
    """

    is_as_the_table_says: bool
    differences: dict[str, float]
    rates: dict[str, float]
    train_images_per_s: float
    infer_images_per_s: float
    keras_images_per_s: float


def measure(options: Options) -> Outcome:
    """One trunk after another, the smallest first; each gives its memory back when its process ends."""
    chosen = sorted((kind.parameters, name) for name, kind in TRUNKS.items())
    names = [name for parameters, name in chosen if not options.quick or parameters <= SMALL]
    found: dict[str, Found] = {}
    for name in names:
        # A child that was forked from a process with TensorFlow in it would hang.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[name] = pool.apply(examine, (name,))
        each = found[name]
        counts = "as in the table" if each.is_as_the_table_says else "NOT as in the table"
        say(f"  {name}: {counts}, trains {each.train_images_per_s:.3g}/s, predicts {each.keras_images_per_s:.3g}/s")
        for way, difference in each.differences.items():
            say(f"    {way}: {each.rates[way]:.4g}/s, differs by {difference:.2g}")
    exact = [value for each in found.values() for way, value in each.differences.items() if way.endswith("float32")]
    reduced = [value for each in found.values() for way, value in each.differences.items() if way.endswith("bfloat16")]
    figures: dict[str, Figure] = {
        "share_as_in_the_table": sum(each.is_as_the_table_says for each in found.values()) / len(found),
        "largest_difference": max(exact),
        "largest_difference_bfloat16": max(reduced, default=None),
    }
    for name, each in found.items():
        figures[f"{name}_train_images_per_s"] = each.train_images_per_s
        figures[f"{name}_infer_images_per_s"] = each.infer_images_per_s
        figures[f"{name}_infer_over_predict"] = each.infer_images_per_s / each.keras_images_per_s
        for way, found_rate in each.rates.items():
            figures[f"{name}_{way.replace(' ', '_')}_images_per_s"] = found_rate
    goals = [
        Goal("share_as_in_the_table", figures["share_as_in_the_table"], "at least", 1),
        Goal("largest_difference", figures["largest_difference"], "at most", 1e-4),
    ]
    return Outcome({"trunks": len(names), "threads": cores_here()}, figures, goals)


def examine(name: str) -> Found:
    """Look at one trunk, in the process that this is called in."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from worker.learning.speed import measure_speed
    from worker.learning.trunks import build_trunk

    kind = TRUNKS[name]
    trunk = build_trunk(name, kind.default_input_size)
    counts = (trunk.count_params(), trunk.output_shape[-1], trunk.input_shape[1])
    pixels = np.random.default_rng(0).uniform(0, 255, (16, *trunk.input_shape[1:])).astype(np.float32)
    trunk.predict(pixels, batch_size=16, verbose=0)
    times = np.concatenate([pixels] * BASELINE_BATCHES)
    keras_rate = rate(len(times), lambda: trunk.predict(times, batch_size=16, verbose=0))
    speed = measure_speed(name, kind.default_input_size, threads=cores_here())
    return Found(
        is_as_the_table_says=counts == (kind.parameters, kind.embedding_width, kind.default_input_size),
        differences=_differences(name, kind.allowed_input_sizes[0]),
        rates=_rates(name, trunk),
        train_images_per_s=speed.train_images_per_s,
        infer_images_per_s=speed.infer_images_per_s,
        keras_images_per_s=keras_rate,
    )


def _differences(name: str, size: int) -> dict[str, float]:
    """The largest difference between the exported network and Keras, over all batches, by engine and precision."""
    from worker.learning.backend import to_numpy
    from worker.learning.trunks import build_trunk, load_pretrained

    trunk = build_trunk(name, size)
    if TRUNKS[name].pretrained == "package" and weights_at_hand(name, None).is_here:
        load_pretrained(trunk, name, weights_folder=None, allow_download=False)
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, size, size, 3), np.uint8)
    trained = to_numpy(trunk(images.astype(np.float32), training=False))
    found: dict[str, float] = {}
    for way, engine in _engines(name, trunk):
        differences = [np.abs(trained - engine.embed(images, batch=batch)).max() for batch in BATCHES]
        found[way] = float(max(differences) / np.abs(trained).max())
    return found


def _rates(name: str, trunk: Any) -> dict[str, float]:
    size = int(trunk.input_shape[1])
    images = np.random.default_rng(2).integers(0, 256, (IMAGES, size, size, 3), np.uint8)
    return {way: measure_rate(engine, images) for way, engine in _engines(name, trunk)}


def _engines(name: str, trunk: Any) -> Iterator[tuple[str, TrunkEngine]]:
    """The network exported once, by each engine and precision that runs here."""
    from worker.learning.export import export_trunk
    from worker.learning.trunks import card_of, save_trunk

    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        save_trunk(trunk, card_of(trunk, name), Path(folder) / "trunk.safetensors")
        export_trunk(Path(folder) / "trunk.safetensors", Path(folder) / "trunk.onnx")
        for engine, precision in offered():
            plan = EnginePlan(engine, precision, streams=cores_here(), threads=1, batch=8)
            yield f"{engine} {precision}", TrunkEngine(Path(folder) / "trunk.onnx", plan=plan)


if __name__ == "__main__":
    run_benchmark("trunks", measure, about=ABOUT)
