"""A pool of any number of images that one trunk has embedded: rows and shards made in bulk, and a version over them.

The trunk is tiny and never asked: what is measured begins at the stored embeddings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from measuring import say
from onnx import TensorProto, helper, numpy_helper
from sqlalchemy import insert

from app.core.clock import now
from app.core.database import get_engine, write
from app.core.storage import get_storage
from app.datasets.models import Snapshot
from app.embeddings.models import Embedding, EmbeddingShard
from app.embeddings.shards import write_shard
from app.imaging.model_input import PREPROCESSING_VERSION
from app.inference.head import save_head
from app.labelling.models import LabelClass
from app.library.counts import CountKey, shift_counts
from app.library.models import Image
from app.projects.service import create_project
from app.registry.artifacts import FOLDER
from app.registry.queries import get_trunk
from app.registry.schemas import ClassEntry
from app.registry.service import register_trunk, register_version
from app.runs.service import request_run

ROWS_PER_SHARD: Final = 4096
_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class EmbeddedPool:
    """The project, and the version that its pool is to be identified by."""

    project_id: int
    version_id: int


def make_embedded_pool(images: int, *, width: int, classes: int) -> EmbeddedPool:
    """Fill an installation of its own: `images` in the pool, embeddings (images, width), a head of `classes`."""
    say(f"making a pool of {images:,} embedded images")
    random = np.random.default_rng(0)
    trunk_file = _trunk(width)
    head_file = get_storage().file_path(FOLDER, "bench.head.safetensors")
    kernel = (random.standard_normal((width, classes)) / np.sqrt(width)).astype(np.float32)
    save_head(head_file, kernel=4 * kernel, bias=np.zeros(classes, np.float32))
    with write() as session:
        project_id = create_project(session, name="Bench", user_id=None).id
        names = [
            {"project_id": project_id, "name": f"Class {n:04}", "note": "", "created_at": now()} for n in range(classes)
        ]
        class_ids = session.scalars(
            insert(LabelClass).returning(LabelClass.id, sort_by_parameter_order=True), names
        ).all()
        trunk_id = register_trunk(
            session,
            digest=_digest(trunk_file.read_bytes() + b"weights"),
            architecture="compact_cnn",
            input_size=_SIZE,
            width=width,
            preprocessing=PREPROCESSING_VERSION,
            weights_file="bench.trunk.safetensors",
            exported_file=trunk_file.name,
            exported_digest=_digest(trunk_file.read_bytes()),
            byte_count=trunk_file.stat().st_size,
        )
        snapshot = Snapshot(project_id=project_id, fingerprint="bench", lower_cutoff=1, upper_cutoff=1, seed=0)
        snapshot.include_small, snapshot.images, snapshot.classes = False, 0, classes
        snapshot.summary, snapshot.created_at = {}, now()
        session.add(snapshot)
        session.flush()
        version_id, _ = register_version(
            session,
            project_id=project_id,
            run_id=request_run(session, project_id=project_id, kind="training.train", title="Bench", parameters={}),
            throwaway=False,
            trunk_id=trunk_id,
            parent_id=None,
            snapshot_id=snapshot.id,
            start="head_only",
            head_file=head_file.name,
            head_digest=_digest(head_file.read_bytes()),
            classes=[
                ClassEntry(c, row["name"], 100, below_cutoff=False) for c, row in zip(class_ids, names, strict=True)
            ],
            lineage={},
            card={},
        )
        ref = get_trunk(session, trunk_id)
    for start in range(0, images, ROWS_PER_SHARD):
        count = min(ROWS_PER_SHARD, images - start)
        name = write_shard(ref, random.standard_normal((count, width), dtype=np.float32).astype(np.float16))
        _insert_part(project_id, trunk_id, name, first=start + 1, count=count, width=width)
    with write() as session:
        shift_counts(session, project_id, {CountKey(0, "pool", "real"): images})
    _analyse()
    return EmbeddedPool(project_id, version_id)


def _insert_part(project_id: int, trunk_id: int, name: str, *, first: int, count: int, width: int) -> None:
    numbers = range(first, first + count)
    image = {"project_id": project_id, "byte_count": 1, "format": "JPEG", "extra": {}, "created_at": now()}
    shard = {"trunk_id": trunk_id, "name": name, "rows": count, "width": width, "created_at": now()}
    with write() as session:
        connection = session.connection()
        connection.execute(
            insert(Image),
            [image | {"id": n, "sha256": f"{n:064x}", "file_name": f"{n:07}.jpg"} for n in numbers],
        )
        shard_id = session.scalars(insert(EmbeddingShard).returning(EmbeddingShard.id), shard).one()
        row = {"trunk_id": trunk_id, "rotation": 0, "shard_id": shard_id}
        connection.execute(insert(Embedding), [row | {"image_id": n, "row": n - first} for n in numbers])


def _trunk(width: int):  # noqa: ANN202 - a path
    """The mean of each colour, multiplied to `width` values."""
    kernel = np.random.default_rng(1).standard_normal((3, width)).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "kernel"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", _SIZE, _SIZE, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", width])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(np.array([1, 2]), "axes")],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = get_storage().file_path(FOLDER, "bench.onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(network.SerializeToString())
    return path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _analyse() -> None:
    """What the database's own upkeep does in time."""
    engine = get_engine()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")
        else:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
