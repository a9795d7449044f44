"""From the click to the candidates: a throw-away loop over a large library, against full fine-tuning and `predict`.

Product: a head-only throw-away run from a parent version, its evaluation and the identification of the whole pool, in a
process of its own that has not loaded TensorFlow. Images are rows around real photos; their embeddings by the parent's
trunk are mixed from two real ones of a class, with noise. Baseline: the same network trained whole and asked for its
predictions in Keras, from pixels in memory, measured on a slice and extrapolated: as many epochs as early stopping
needs at the least, and every image predicted once.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from filling import fill_library, make_project
from measuring import Figure, Goal, Options, Outcome, installation, rate, run_benchmark, say
from networks import Exported, export, register
from numpy.typing import NDArray
from photos import Photo, bare_pixels, load_photos, spread
from sqlalchemy import select

from app.core.database import read, write
from app.embeddings.store import add, read_embeddings
from app.embeddings.work import embed_missing
from app.labelling.schemas import Change
from app.labelling.service import apply_labels, ensure_class
from app.library.models import Image
from app.library.preparing import Preparer
from app.library.service import insert_images
from app.registry.artifacts import load_trunk
from app.registry.queries import get_version
from app.training.fit_settings import DEFAULT_SETTINGS

ABOUT: Final = "A throw-away loop from the click to the candidates, against full fine-tuning and predict."
TRUNK: Final = "efficientnet_lite0"
CLASSES: Final = 100
RARE: Final = 10
LABELLED: Final = 320
LABELLED_RARE: Final = 37
UPPER: Final = 300
POOL: Final = 100_000
_PART: Final = 4096
_SLICE: Final = 192
_BATCH: Final = 32
_NOISE: Final = 0.1
_COPIED: Final = (
    *("byte_count", "format", "width", "height", "sharpness", "brightness", "contrast"),
    *(f"{kind}_{part}" for kind in ("thumbnail", "rendition") for part in ("pack", "offset", "length")),
)


def measure(options: Options) -> Outcome:
    """Stock the library, run the loop, measure the slice."""
    photos = _in_classes(spread(load_photos(options), options.choose_photos(quick=400, full=1500)))
    with installation() as data:
        exported = export(TRUNK, data)
        project_id = make_project()
        parent_id = register(project_id, exported)
        stocked = _stock(project_id, parent_id, photos)
        say("the loop")
        found = _loop(project_id, parent_id, _with_byte_code(data))
        say("full fine-tuning, a slice")
        trained, predicted = _fine_tuning(exported, [photo.content for photo in photos])
    result = found["results"]["training.train"]
    images = found["results"]["identification.identify"]["images"]
    if images != POOL:
        raise SystemExit(f"{POOL} images were to be identified; {images} were")
    epochs = DEFAULT_SETTINGS["warm"].patience + 1
    whole = epochs * result["images"] / trained + (stocked + images) / predicted
    figures: dict[str, Figure] = {"loop_s": found["seconds"], "speedup": whole / found["seconds"]}
    figures |= {"loop_cpu_s": found["cpu_seconds"], "request_s": found["request"]}
    figures |= {f"{kind.partition('.')[0]}_s": seconds for kind, seconds in found["steps"].items()}
    figures |= {"fine_tuning_images_per_second": trained, "predict_images_per_second": predicted}
    figures |= {"fine_tuning_and_predict_h": whole / 3600, "head_epochs": result["epochs"]}
    goals = [Goal("loop_s", figures["loop_s"], "at most", 60), Goal("speedup", figures["speedup"], "at least", 100)]
    parameters = {"trunk": TRUNK, "pool": images, "labelled": stocked, "classes": CLASSES, "rare_classes": RARE}
    parameters |= {"upper_cutoff": UPPER, "snapshot_images": result["images"], "baseline_epochs": epochs}
    return Outcome(parameters, figures, goals)


def _in_classes(photos: Sequence[Photo]) -> list[Photo]:
    return sorted(photos, key=lambda photo: (photo.set_name, photo.class_name))


def _stock(project_id: int, parent_id: int, photos: Sequence[Photo]) -> int:
    """Photos, rows around them with embeddings, and labels; how many images are labelled."""
    say(f"importing and embedding {len(photos)} photos")
    with Preparer() as preparer:
        fill_library(project_id, [photo.content for photo in photos], preparer)
    with read() as session:
        trunk = get_version(session, parent_id).trunk
        base = session.scalars(select(Image).where(Image.project_id == project_id).order_by(Image.id)).all()
        session.expunge_all()
    embed_missing(load_trunk(trunk.id), [image.id for image in base])
    with read() as session:
        _, embeddings = read_embeddings(session, trunk.id, [image.id for image in base])
    class_of = _classes(POOL - len(base))
    say(f"making {len(class_of)} images around them")
    image_ids: list[int] = []
    for start in range(0, len(class_of), _PART):
        part = class_of[start : start + _PART]
        first, rows = _mixed(part, embeddings, seed=start)
        with write() as session:
            made = insert_images(
                session, project_id, [_row(start + place, base[each]) for place, each in enumerate(first.tolist())]
            )
        ids = sorted(made.values())
        image_ids += ids
        add(trunk, [(image_id, 0) for image_id in ids], rows)
    return _label(project_id, image_ids, class_of)


def _classes(pool: int) -> NDArray[np.int64]:
    """The true class of each image to make: those to be labelled first, then the pool in turns."""
    counts = [LABELLED_RARE] * RARE + [LABELLED] * (CLASSES - RARE)
    return np.concatenate([np.repeat(np.arange(CLASSES), counts), np.arange(pool) % CLASSES])


def _mixed(
    class_of: NDArray[np.int64], embeddings: NDArray[np.float32], *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each image a real photo of its class, and an embedding between that and another one's, with noise."""
    random = np.random.default_rng(seed)
    bounds = np.linspace(0, len(embeddings), CLASSES + 1).astype(np.int64)
    first, second = (random.integers(bounds[class_of], bounds[class_of + 1]) for _ in range(2))
    share = random.uniform(0, 0.5, (len(class_of), 1)).astype(np.float32)
    rows = embeddings[first] * (1 - share) + embeddings[second] * share
    rows += random.normal(0, _NOISE, rows.shape).astype(np.float32) * embeddings.std()
    return first, np.maximum(rows, 0)


def _row(number: int, image: Image) -> dict[str, Any]:
    copied = {name: getattr(image, name) for name in _COPIED}
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    return {**copied, "sha256": digest, "file_name": f"made_{number:06d}.jpg", "created_at": image.created_at}


def _label(project_id: int, image_ids: Sequence[int], class_of: NDArray[np.int64]) -> int:
    with write() as session:
        class_ids = [ensure_class(session, project_id, f"class {number:02d}")[0] for number in range(CLASSES)]
    labelled = LABELLED_RARE * RARE + LABELLED * (CLASSES - RARE)
    for start in range(0, labelled, _PART):
        stop = min(start + _PART, labelled)
        changes = [Change(image_ids[place], class_id=class_ids[class_of[place]]) for place in range(start, stop)]
        heading: dict[str, Any] = {"project_id": project_id, "user_id": None, "kind": "label", "summary": "Labelled"}
        with write() as session:
            apply_labels(session, **heading, how="bulk", changes=changes)
    return labelled


def _with_byte_code(data: Path) -> dict[str, str]:
    """The environment of a process that finds its modules compiled to byte code, as after the first start."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    surroundings = kept | {"PYTHONPYCACHEPREFIX": str(data / "bytecode")}
    subprocess.run(
        [sys.executable, "-c", "import looping, worker.tasks.training_steps"],
        env=surroundings,
        check=True,
        cwd=Path(__file__).parent,
    )
    return surroundings


def _loop(project_id: int, parent_id: int, surroundings: dict[str, str]) -> dict[str, Any]:
    script = Path(__file__).with_name("looping.py")
    command = [sys.executable, str(script), str(project_id), str(parent_id), str(UPPER)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=surroundings)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    say(f"  {found['seconds']:.1f} s ({found['cpu_seconds']:.1f} of a core): {found['request']:.1f} for the request")
    say(f"  {found['steps']}")
    return found


def _fine_tuning(exported: Exported, contents: Sequence[bytes]) -> tuple[float, float]:
    """Images per second of training the whole network, and of `predict`; tracing is done beforehand."""
    from worker.learning.backend import keras

    pixels = np.stack([bare_pixels(content, exported.input_size) for content in contents[:_SLICE]]).astype(np.float32)
    classes = np.arange(len(pixels)) % exported.network.output_shape[1]
    network = exported.network
    network.trainable = True
    network.compile(keras.optimizers.AdamW(1e-5), "sparse_categorical_crossentropy", jit_compile=False)
    network.fit(pixels[:_BATCH], classes[:_BATCH], batch_size=_BATCH, verbose=0)
    network.predict(pixels[:_BATCH], verbose=0)
    began = time.perf_counter()
    network.fit(pixels, classes, batch_size=_BATCH, verbose=0)
    trained = len(pixels) / (time.perf_counter() - began)
    return trained, rate(len(pixels), lambda: network.predict(pixels, verbose=0))


if __name__ == "__main__":
    run_benchmark("throwaway", measure, about=ABOUT)
