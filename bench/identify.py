"""Images per second of a cold bulk identification, end to end, against Keras and against what the machine could do.

Product: an identification run over a pool whose renditions exist and whose embeddings do not, in a process of its own,
from the claim of the run to predictions in SQLite, by the engine that Winnow pinned for the trunk on this machine.
Baseline: the same network by `image_dataset_from_directory` and `predict` on the original files, on a part where it
is slow. Limit: the rate at which decoding with resizing and the bare engine that is pinned, each measured
alone on all cores, would together fill them. `share_of_limit_by_processor` is the same by the processor's own seconds,
which tells more where other work shares the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from bare_engines import bare_engine
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
from networks import Exported, export, publish_trunk, register, spread_head
from photos import Photo, bare_pixels, load_photos, spread

from app.core.database import write
from app.inference.head import load_head
from app.inference.plans import EnginePlan, has_bf16
from app.library.preparing import Preparer
from app.registry.queries import get_trunk

ABOUT: Final = "Cold bulk identification against Keras predict and against the limit of the machine."
KERAS_BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Network:
    """A trunk of the benchmark and the photos that Keras predicts in a round."""

    trunk: str
    keras_quick: int
    keras_full: int


NETWORKS: Final = {
    "mobilenet_v3": Network("mobilenet_v3_small", 600, 5000),
    "inception_v3": Network("inception_v3", 128, 640),
}
"""By the name that their figures begin with."""


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
    parameters: dict[str, Any] = {"photos": len(photos), "rounds": rounds, "keras_batch": KERAS_BATCH}
    with installation() as data:
        stage = _set_stage(photos, data)
        for name, network in NETWORKS.items():
            say(f"{name}: exporting {network.trunk}")
            predicted = min(len(photos), network.keras_quick if options.quick else network.keras_full)
            found, plan = _measure_network(network.trunk, stage, data, rounds, predicted)
            figures |= {f"{name}_{key}": value for key, value in found.items()}
            parameters[f"{name}_engine"] = f"{plan.engine}, {plan.precision}, batches of {plan.batch}"
            parameters[f"{name}_predicted"] = predicted
    figures["share_of_limit"] = min(figures[f"{name}_share_of_limit"] or 0.0 for name in NETWORKS)
    figures["peak_gib"] = max(figures[f"{name}_peak_gib"] or 0.0 for name in NETWORKS)
    goals = [
        Goal("mobilenet_v3_over_predict", figures["mobilenet_v3_over_predict"], "at least", 4.0),
        Goal("inception_v3_over_predict", figures["inception_v3_over_predict"], "at least", 3.0 if has_bf16() else 2.0),
        Goal("share_of_limit", figures["share_of_limit"], "at least", 0.85),
    ]
    return Outcome(parameters, figures, goals)


def _set_stage(photos: Sequence[Photo], data: Path) -> Stage:
    say(f"importing {len(photos)} photos")
    project_id = make_project()
    with Preparer() as preparer:
        fill_library(project_id, [photo.content for photo in photos], preparer)
    originals = data / "originals"
    originals.mkdir()
    for number, photo in enumerate(photos):
        (originals / f"{number:06d}.jpg").write_bytes(photo.content)
    return Stage(project_id, renditions(project_id), originals)


def _measure_network(
    trunk: str, stage: Stage, data: Path, rounds: int, predicted: int
) -> tuple[dict[str, Figure], EnginePlan]:
    exported = export(trunk, data)
    version_id, plan = _registered(exported, stage)
    seconds = _Seconds()
    measured = in_turns(
        rounds,
        {
            "predict": _keras_act(exported, stage, predicted),
            "product": partial(_product_rate, stage, version_id, seconds),
            "engine": seconds.of("engine", len(stage.renditions), _engine_act(exported, stage, plan)),
            "decoding": seconds.of(
                "decoding", len(stage.renditions), partial(_decoding_rate, stage, exported.input_size)
            ),
        },
    )
    figures: dict[str, Figure] = {f"{act}_images_per_second": median(found) for act, found in measured.items()}
    limits = [1 / (1 / e + 1 / d) for e, d in zip(measured["engine"], measured["decoding"], strict=True)]
    figures["limit_images_per_second"] = median(limits)
    figures["over_predict"] = ratio(measured["product"], measured["predict"])
    figures["share_of_limit"] = ratio(measured["product"], limits)
    figures["share_of_limit_by_processor"] = seconds.share_of_limit
    figures["peak_gib"] = max(seconds.peaks)
    return figures, plan


@dataclass
class _Seconds:
    """The processor's seconds for each image, round by round, and the product's peaks of memory, GiB."""

    by_act: dict[str, list[float]] = field(default_factory=dict)
    peaks: list[float] = field(default_factory=list)

    def of(self, name: str, images: int, act: Callable[[], float]) -> Callable[[], float]:
        """The act, its seconds noted."""

        def noted() -> float:
            began = time.process_time()
            found = act()
            self.by_act.setdefault(name, []).append((time.process_time() - began) / images)
            return found

        return noted

    @property
    def share_of_limit(self) -> float:
        """What the parts alone take of what the product takes, the median over the rounds."""
        rounds = zip(self.by_act["engine"], self.by_act["decoding"], self.by_act["product"], strict=True)
        return median((engine + decoding) / product for engine, decoding, product in rounds)


def _registered(exported: Exported, stage: Stage) -> tuple[int, EnginePlan]:
    """A version whose engine was chosen as training does: on real images, before anything is embedded."""
    from worker.tasks.engine_steps import ENGINE_IMAGES, choose_engine

    with write() as session:
        trunk_id = publish_trunk(session, exported)
        trunk = get_trunk(session, trunk_id)
    chosen = stage.renditions[:: max(1, len(stage.renditions) // ENGINE_IMAGES)][:ENGINE_IMAGES]
    images = np.stack([bare_pixels(each, exported.input_size) for each in chosen])
    spread_head(exported, images)
    plan, trials = choose_engine(trunk, load_head(exported.head), images)
    for each in trials:
        say(
            f"  {each.plan.engine} {each.plan.precision} {each.plan.streams}x{each.plan.threads} b{each.plan.batch}: "
            f"{each.images_per_s:.4g}/s, same {each.agreement.share:.2%} {each.refused}"
        )
    return register(stage.project_id, exported), plan


def _keras_act(exported: Exported, stage: Stage, predicted: int) -> Callable[[], float]:
    """Files to confidences as Keras documents it; tracing is done beforehand."""
    from worker.learning.backend import keras

    part = stage.originals.with_name(f"originals-{exported.architecture}")
    part.mkdir()
    for path in spread(sorted(stage.originals.iterdir()), predicted):
        (part / path.name).symlink_to(path)

    def open_photos() -> Any:
        return keras.utils.image_dataset_from_directory(
            part,
            labels=None,
            image_size=(exported.input_size, exported.input_size),
            batch_size=KERAS_BATCH,
            shuffle=False,
            verbose=False,
        )

    exported.network.predict(open_photos().take(1), verbose=0)
    return lambda: rate(predicted, lambda: exported.network.predict(open_photos(), verbose=0))


def _product_rate(stage: Stage, version_id: int, seconds: _Seconds) -> float:
    script = Path(__file__).with_name("identifying.py")
    command = [sys.executable, str(script), str(stage.project_id), str(version_id)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["images"] != len(stage.renditions):
        raise RuntimeError(f"{len(stage.renditions)} images were to be identified; {found['images']} were")
    seconds.peaks.append(found["peak_gib"])
    seconds.by_act.setdefault("product", []).append(found["processor_seconds"] / found["images"])
    return float(found["images"] / found["seconds"])


def _engine_act(exported: Exported, stage: Stage, plan: EnginePlan) -> Callable[[], float]:
    """The exported trunk by the pinned engine on all cores, fed with pixels that are at hand."""
    run_all = bare_engine(exported.onnx, exported.input_size, plan)
    pixels = np.stack([bare_pixels(each, exported.input_size) for each in stage.renditions[: plan.batch]])
    batch = pixels.astype(np.float32)
    run_all(batch, plan.streams)
    times = -(-len(stage.renditions) // plan.batch)
    return lambda: rate(times * plan.batch, partial(run_all, batch, times))


def _decoding_rate(stage: Stage, size: int) -> float:
    with ThreadPoolExecutor(cores_here()) as threads:
        decode = partial(bare_pixels, size=size)
        return rate(len(stage.renditions), lambda: list(threads.map(decode, stage.renditions)))


if __name__ == "__main__":
    run_benchmark("identify", measure, about=ABOUT)
