"""Model versions for the benchmarks: real networks, exported and registered as training does, the head untrained."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import write
from app.core.storage import get_storage
from app.datasets.models import Snapshot
from app.imaging.model_input import PREPROCESSING_VERSION
from app.inference.engine import TrunkEngine
from app.inference.head import save_head
from app.labelling.service import ensure_class
from app.registry.artifacts import FOLDER
from app.registry.models import Deployment
from app.registry.schemas import ClassEntry
from app.registry.service import register_trunk, register_version
from app.registry.trunks import TRUNKS
from app.runs.service import request_run

CLASSES: Final = 40
_HEAD_SCALE: Final = 0.05
_SPREAD: Final = 4.0


@dataclass(frozen=True, slots=True)
class Exported:
    """A trunk as files, and the same network with its head in Keras."""

    architecture: str
    input_size: int
    weights: Path
    onnx: Path
    onnx_digest: str
    head: Path
    network: Any
    """From float32 (N, S, S, 3) in 0..255 to confidences (N, CLASSES)."""


def export(architecture: str, folder: Path) -> Exported:
    """Build a trunk at its own input size and export it.

    Weights are ImageNet's where a package carries them, else random: the speed is the same.
    """
    from worker.learning.backend import keras, to_numpy
    from worker.learning.export import export_trunk
    from worker.learning.trunks import build_trunk, card_of, load_pretrained, save_trunk

    kind = TRUNKS[architecture]
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    trunk = build_trunk(architecture, kind.default_input_size)
    if kind.pretrained == "package":
        load_pretrained(trunk, architecture, weights_folder=None, allow_download=False)
    weights, head = folder / f"{architecture}.trunk.safetensors", folder / f"{architecture}.head.safetensors"
    save_trunk(trunk, card_of(trunk, architecture), weights)
    report = export_trunk(weights, folder / f"{architecture}.onnx")
    scores = keras.layers.Dense(
        CLASSES, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=_HEAD_SCALE, seed=0)
    )
    network = keras.Model(trunk.input, scores(trunk.output))
    kernel, bias = (to_numpy(each) for each in scores.weights)
    save_head(head, kernel=kernel, bias=bias)
    return Exported(architecture, report.input_size, weights, report.path, report.digest, head, network)


def open_bare_engines(exported: Exported) -> dict[str, onnxruntime.InferenceSession]:
    """The exported trunk without anything of ours around it, by how its threads wait for work.

    Spinning is faster on a machine at rest, sleeping on one that is busy: a baseline is the better of the two.
    """
    engines = {}
    for name, spins in (("spinning", "1"), ("sleeping", "0")):
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", spins)
        engines[name] = onnxruntime.InferenceSession(str(exported.onnx), options, providers=["CPUExecutionProvider"])
    return engines


def spread_head(exported: Exported, images: NDArray[np.uint8]) -> None:
    """Give the untrained head, in its file and in Keras, weights by which these images get many different answers.

    A head at random on random weights answers alike for all, and no difference of precision could be seen by it.
    """
    embeddings = TrunkEngine(exported.onnx).embed(images)
    centre, deviation = embeddings.mean(axis=0), embeddings.std() + np.finfo(np.float32).tiny
    kernel = np.random.default_rng(0).normal(size=(embeddings.shape[1], CLASSES))
    kernel = (kernel / deviation / np.sqrt(len(kernel)) * _SPREAD).astype(np.float32)
    bias = -(centre @ kernel).astype(np.float32)
    save_head(exported.head, kernel=kernel, bias=bias)
    exported.network.layers[-1].set_weights([kernel, bias])


def publish_trunk(session: Session, exported: Exported) -> int:
    """The trunk of these files, registered; its id."""
    _published(exported.onnx)
    return register_trunk(
        session,
        digest=_published(exported.weights),
        architecture=exported.architecture,
        input_size=exported.input_size,
        width=TRUNKS[exported.architecture].embedding_width,
        preprocessing=PREPROCESSING_VERSION,
        weights_file=exported.weights.name,
        exported_file=exported.onnx.name,
        exported_digest=exported.onnx_digest,
        byte_count=exported.onnx.stat().st_size,
    )


def register(project_id: int, exported: Exported, classes: list[ClassEntry] | None = None) -> int:
    """A version of the project with these files; its id. `classes` are the head's, untrained ones without."""
    head_digest = _published(exported.head)
    with write() as session:
        trunk_id = publish_trunk(session, exported)
        version_id, _ = register_version(
            session,
            project_id=project_id,
            run_id=request_run(session, project_id=project_id, kind="training.train", title="Bench", parameters={}),
            throwaway=False,
            trunk_id=trunk_id,
            parent_id=None,
            snapshot_id=_empty_snapshot(session, project_id, fingerprint=head_digest),
            start="random",
            head_file=exported.head.name,
            head_digest=head_digest,
            classes=classes or _untrained_classes(session, project_id),
            lineage={},
            card={},
        )
    return version_id


def _untrained_classes(session: Session, project_id: int) -> list[ClassEntry]:
    names = [f"class {number:02d}" for number in range(CLASSES)]
    return [ClassEntry(ensure_class(session, project_id, name)[0], name, 1, below_cutoff=False) for name in names]


def _empty_snapshot(session: Session, project_id: int, *, fingerprint: str) -> int:
    snapshot = Snapshot(
        project_id=project_id,
        fingerprint=fingerprint,
        lower_cutoff=1,
        upper_cutoff=1,
        include_small=False,
        seed=0,
        images=0,
        classes=CLASSES,
        summary={},
        created_at=now(),
    )
    session.add(snapshot)
    session.flush()
    return snapshot.id


def deploy(project_id: int, version_id: int) -> None:
    """Let a version serve, without a gate: a benchmark measures speed alone."""
    row = {
        "project_id": project_id,
        "version_id": version_id,
        "throwaway": False,
        "is_active": True,
        "act": "promote",
        "reason": "a benchmark",
        "upper_threshold": 0.8,
        "lower_threshold": 0.4,
        "created_at": now(),
    }
    with write() as session:
        session.execute(insert(Deployment), [row])


def _published(path: Path) -> str:
    """Put a file into the installation's folder of artifacts; its digest."""
    shutil.copy(path, get_storage().file_path(FOLDER, path.name))
    return hashlib.sha256(path.read_bytes()).hexdigest()
