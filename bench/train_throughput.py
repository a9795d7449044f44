"""Images per second of a training epoch from shards: against data that is in memory already, and against Keras' way.

The same compiled network, augmentation and batch size throughout. Product: the epoch as `worker.learning` streams it,
from shards on disk. Limit: the same images as tensors in memory, nothing to read. Baseline: the photos as files by
`image_dataset_from_directory`, which decodes them anew in each epoch. Each measures one pass of `fit`, from opening
its stream to its last step; the graph is built beforehand. `stream` is the product's stream with no network behind it:
what an accelerator could be fed with. CPU figures count this process alone, whatever else the machine does.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from measuring import Figure, Goal, Options, Outcome, in_turns, rate, ratio, run_benchmark, say
from numpy.typing import NDArray
from photos import Photo, load_photos, spread

from app.imaging.model_input import from_upload

ABOUT: Final = "Training images per second from shards, against memory and against image_dataset_from_directory."
NETWORKS: Final = ("mobilenet_v3_large", "efficientnet_lite0")
SIZE: Final = 224
BATCH: Final = 16
_MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Stage:
    """The photos of some classes: as files in class folders, as shards, and as tensors."""

    files: Path
    samples: Any
    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    class_count: int


@dataclass(frozen=True, slots=True)
class _Watched:
    """What an act took beside its time, round by round: this process' CPU per image, and the share of the GPU."""

    cpu_ms: list[float]
    gpu_use: list[float]


def measure(options: Options) -> Outcome:
    """Each network in turns: from memory, from shards, from files."""
    photos = _photos(options)
    rounds = options.choose_rounds(quick=3, full=9)
    figures: dict[str, Figure] = {}
    with TemporaryDirectory(prefix="winnow-bench-") as folder:
        stage = _set_stage(photos, Path(folder))
        for trunk in NETWORKS:
            figures |= {f"{trunk}_{name}": value for name, value in _measure_network(trunk, stage, rounds).items()}
    for name in ("share_of_memory_rate", "over_keras_pipeline"):
        figures[name] = min(figures[f"{trunk}_{name}"] or 0.0 for trunk in NETWORKS)
    goals = [
        Goal("share_of_memory_rate", figures["share_of_memory_rate"], "at least", 0.95),
        Goal("over_keras_pipeline", figures["over_keras_pipeline"], "at least", 1.0),
    ]
    parameters = {"photos": len(photos), "input_size": SIZE, "batch": BATCH, "rounds": rounds, "device": _device()}
    return Outcome(parameters, figures, goals)


def _photos(options: Options) -> list[Photo]:
    wanted = options.choose_photos(quick=192, full=320)
    chosen = spread(load_photos(options), wanted)
    return chosen[: len(chosen) // BATCH * BATCH]


def _set_stage(photos: Sequence[Photo], folder: Path) -> Stage:
    from worker.learning.data import ManifestRow, pack_manifest

    say(f"packing {len(photos)} photos")
    names = sorted({photo.class_name for photo in photos})
    classes = np.array([names.index(photo.class_name) for photo in photos], np.int64)
    for number, photo in enumerate(photos):
        place = folder / "files" / photo.class_name
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06d}.jpg").write_bytes(photo.content)
    pixels = np.stack([from_upload(photo.content, size=SIZE) for photo in photos])

    def read(rows: Sequence[int]) -> Iterator[NDArray[np.uint8] | None]:
        return iter(pixels[list(rows)])

    manifest = [ManifestRow(row, int(position), "train") for row, position in enumerate(classes)]
    samples = pack_manifest(manifest, read, folder=folder / "shards", input_size=SIZE)
    return Stage(folder / "files", samples, pixels, classes, len(names))


def _measure_network(trunk: str, stage: Stage, rounds: int) -> dict[str, Figure]:
    from worker.learning.backend import keras
    from worker.learning.config import default_config

    say(f"{trunk}: building")
    keras.utils.clear_session()
    config = default_config(trunk, "random", input_size=SIZE, batch_size=BATCH, epochs=1)
    network = _network(config, stage.class_count)
    watched = {name: _Watched([], []) for name in ("memory", "product", "keras_pipeline")}
    streams = {
        "memory": partial(_from_memory, stage, config),
        "product": partial(_from_shards, stage, config),
        "keras_pipeline": partial(_from_files, stage, config),
    }
    for name, open_stream in streams.items():
        say(f"{trunk}: first steps, {name}")
        _epoch(network, open_stream(), steps=2)
    acts: dict[str, Callable[[], float]] = {
        name: partial(_rate_of_epoch, network, open_stream, stage, watched[name])
        for name, open_stream in streams.items()
    }
    acts["stream"] = lambda: rate(len(stage.classes), lambda: sum(1 for _ in _from_shards(stage, config)))
    measured = in_turns(rounds, acts)
    figures: dict[str, Figure] = {f"{act}_images_per_second": median(found) for act, found in measured.items()}
    figures |= {f"{name}_cpu_ms": median(each.cpu_ms) for name, each in watched.items()}
    figures["share_of_memory_rate"] = ratio(measured["product"], measured["memory"])
    figures["over_keras_pipeline"] = ratio(measured["product"], measured["keras_pipeline"])
    if watched["product"].gpu_use:
        figures["gpu_utilisation"] = median(watched["product"].gpu_use)
    return figures


def _network(config: Any, class_count: int) -> Any:
    """Image to logits, compiled as training does it."""
    from worker.learning.optimiser import compile_network
    from worker.learning.warm_start import start_network

    started = start_network(config, class_count=class_count)
    compile_network(started.network, config)
    return started.network


def _rate_of_epoch(network: Any, open_stream: Callable[[], Any], stage: Stage, watched: _Watched) -> float:
    images, began = len(stage.classes), time.process_time()
    with _watched_gpu(watched.gpu_use):
        found = rate(images, lambda: _epoch(network, open_stream(), steps=images // BATCH))
    watched.cpu_ms.append(_MS * (time.process_time() - began) / images)
    return found


def _epoch(network: Any, stream: Any, *, steps: int) -> None:
    network.fit(stream, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)


def _from_shards(stage: Stage, config: Any) -> Any:
    return stage.samples.batches(config, class_count=stage.class_count, first_epoch=0)


def _from_memory(stage: Stage, config: Any) -> Any:
    from worker.learning.backend import tf

    images, targets = tf.constant(stage.pixels), tf.one_hot(stage.classes, stage.class_count)
    batches = tf.data.Dataset.from_tensor_slices((images, targets)).batch(BATCH, drop_remainder=True)
    return _augmented(batches, config)


def _from_files(stage: Stage, config: Any) -> Any:
    from worker.learning.backend import keras

    batches = keras.utils.image_dataset_from_directory(
        stage.files, label_mode="categorical", image_size=(SIZE, SIZE), batch_size=BATCH, verbose=False
    )
    return _augmented(batches, config)


def _augmented(batches: Any, config: Any) -> Any:
    """The product's augmentation by draws of TensorFlow's own, as many batches at a time as it sees fit."""
    from worker.learning.augment import DRAW_COUNT, augment
    from worker.learning.backend import tf

    def change(images: Any, targets: Any) -> Any:
        draws = tf.random.uniform((tf.shape(images)[0], DRAW_COUNT))
        return augment(
            tf.cast(tf.ensure_shape(images, (None, SIZE, SIZE, 3)), tf.float32), draws, config.augmentation
        ), targets

    return batches.map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _device() -> str:
    from worker.learning.backend import tf

    return str((tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU"))[0].device_type)


@contextmanager
def _watched_gpu(used: list[float]) -> Iterator[None]:
    """Adds the mean utilisation (0..1) of the first GPU meanwhile to `used`; nothing without one."""
    if _device() != "GPU":
        yield
        return
    ended = threading.Event()
    seen: list[float] = []
    command = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]

    def watch() -> None:
        while not ended.wait(0.2):
            seen.append(float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout) / 100)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    if seen:
        used.append(sum(seen) / len(seen))


if __name__ == "__main__":
    run_benchmark("train_throughput", measure, about=ABOUT)
