"""How fast a trunk trains and infers on this machine, measured in a process of its own.

`python -m worker.learning.speed ARCHITECTURE INPUT_SIZE THREADS` prints one JSON object as its last line. What a
process has measured it gives back to the machine when it ends: TensorFlow keeps memory that it once took.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.core.processes import die_with_parent
from app.inference.engine import TrunkEngine
from app.registry.trunks import TRUNKS
from worker.learning.artifacts import TrunkCard
from worker.learning.backend import keras, tf
from worker.learning.export import export_trunk
from worker.learning.trunks import build_trunk, card_of, save_trunk

_CLASSES: Final = 10
_INFERENCE_BATCH: Final = 16
_LARGE: Final = 15_000_000
_SECONDS: Final = 4.0
_MOST_BATCHES: Final = 12


@dataclass(frozen=True, slots=True)
class Speed:
    """Images per second: a training step of all weights, and the exported trunk by ONNX Runtime on the CPU."""

    device: str
    """What training ran on, as TensorFlow names it: "CPU:0", "GPU:0"."""
    threads: int
    train_images_per_s: float
    infer_images_per_s: float


def measure_speed(architecture: str, input_size: int, *, threads: int, seconds: float = _SECONDS) -> Speed:
    """Measures random weights on random pixels, each way for about `seconds` after a first batch, 12 batches at most.

    A training batch is 16 images, or 8 for a large trunk; an inference batch 16.
    """
    random = np.random.default_rng(0)
    trunk = build_trunk(architecture, input_size)
    batch = 8 if TRUNKS[architecture].parameters > _LARGE else 16
    engine = _exported(trunk, card_of(trunk, architecture), threads=threads)
    images = random.integers(0, 256, (_INFERENCE_BATCH, input_size, input_size, 3), np.uint8)
    infer = _rate(lambda: engine.embed(images), _INFERENCE_BATCH, seconds)
    network = keras.Model(trunk.input, keras.layers.Dense(_CLASSES, activation="softmax")(trunk.output))
    network.compile(keras.optimizers.AdamW(1e-4), "sparse_categorical_crossentropy", jit_compile=False)
    pixels = random.uniform(0, 255, (batch, input_size, input_size, 3)).astype(np.float32)
    labels = random.integers(0, _CLASSES, batch)
    train = _rate(lambda: network.train_on_batch(pixels, labels), batch, seconds)
    return Speed(_device(), threads, train, infer)


def _exported(trunk: Any, card: TrunkCard, *, threads: int) -> TrunkEngine:
    with tempfile.TemporaryDirectory(prefix="winnow-speed-") as folder:
        weights, exported = Path(folder) / "trunk.safetensors", Path(folder) / "trunk.onnx"
        save_trunk(trunk, card, weights)
        export_trunk(weights, exported)
        return TrunkEngine(exported, threads=threads)


def _rate(act: Callable[[], Any], count: int, seconds: float) -> float:
    act()
    done, began = 0, time.perf_counter()
    while done < _MOST_BATCHES and (done == 0 or time.perf_counter() - began < seconds):
        act()
        done += 1
    return done * count / (time.perf_counter() - began)


def _device() -> str:
    found = tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU")
    return str(found[0].name.rpartition("physical_device:")[2])


def _main() -> None:
    die_with_parent()
    architecture, size, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    sys.stdout.write(json.dumps(asdict(measure_speed(architecture, size, threads=threads))) + "\n")


if __name__ == "__main__":
    _main()
