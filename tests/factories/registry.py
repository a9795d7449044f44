"""A real tiny model version: an ONNX trunk and a safetensors head on disk, registered as training would."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import write
from app.core.storage import get_storage
from app.datasets.models import Snapshot
from app.imaging.model_input import PREPROCESSING_VERSION
from app.inference.engine import TrunkEngine
from app.inference.head import save_head
from app.labelling.models import LabelClass
from app.registry.artifacts import FOLDER
from app.registry.models import Deployment
from app.registry.schemas import ClassEntry
from app.registry.service import register_trunk, register_version
from tests.factories.runs import ended_run
from tests.inference.networks import SIZE, WIDTH, tiny_trunk

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class TinyVersion:
    """Ids of a registered version; `class_ids` in the order of its head's scores."""

    id: int
    number: int
    run_id: int
    trunk_id: int
    class_ids: list[int]


def make_classes(session: Session, project_id: int, names: list[str]) -> list[int]:
    """Classes by name, made where they do not exist; ids in the order of the names."""
    ids = []
    for name in names:
        known = session.scalar(
            select(LabelClass.id).where(LabelClass.project_id == project_id, LabelClass.name == name)
        )
        row = {"project_id": project_id, "name": name, "note": "", "created_at": now()}
        ids.append(known or session.scalars(insert(LabelClass).returning(LabelClass.id), row).one())
    return ids


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tiny_trunk_row(session: Session) -> int:
    """The tiny trunk of tests/inference, registered; its id."""
    path = get_storage().file_path(FOLDER, "tiny.onnx")
    if not path.exists():
        tiny_trunk(path)
    digest = _digest(path)
    return register_trunk(
        session,
        digest=hashlib.sha256(b"weights" + digest.encode()).hexdigest(),
        architecture="compact_cnn",
        input_size=SIZE,
        width=WIDTH,
        preprocessing=PREPROCESSING_VERSION,
        weights_file="tiny.trunk.safetensors",
        exported_file=path.name,
        exported_digest=digest,
        byte_count=path.stat().st_size,
    )


def snapshot_row(session: Session, project_id: int) -> int:
    """An empty snapshot; its id."""
    return session.scalars(
        insert(Snapshot).returning(Snapshot.id),
        {
            "project_id": project_id,
            "fingerprint": f"fingerprint-{next(_numbers)}",
            "lower_cutoff": 40,
            "upper_cutoff": 300,
            "include_small": False,
            "seed": 0,
            "images": 0,
            "classes": 0,
            "summary": {},
            "created_at": now(),
        },
    ).one()


def _grey_embedding() -> np.ndarray:
    """What the trunk makes of plain grey: taken off, what is left tells pictures apart."""
    engine = TrunkEngine(tiny_trunk(get_storage().file_path(FOLDER, "grey.onnx")))
    return engine.embed(np.full((1, SIZE, SIZE, 3), 110, dtype=np.uint8))[0]


def tiny_version(
    project_id: int,
    names: list[str],
    *,
    seed: int = 0,
    usable: dict[str, int] | None = None,
    below_cutoff: frozenset[str] = frozenset(),
    throwaway: bool = False,
    parent_id: int | None = None,
    start: str = "head_only",
    snapshot_id: int | None = None,
) -> TinyVersion:
    """A version over classes of these names (made where missing), with random but fixed weights for a seed.

    Without a snapshot, it is of an empty one.
    """
    random = np.random.default_rng(seed)
    kernel = (random.normal(size=(WIDTH, len(names))) * 20).astype(np.float32)
    head = get_storage().file_path(FOLDER, f"tiny-{next(_numbers)}.head.safetensors")
    head.parent.mkdir(parents=True, exist_ok=True)
    save_head(
        head,
        kernel=kernel,
        bias=-(_grey_embedding() @ kernel),
    )
    with write() as session:
        class_ids = make_classes(session, project_id, names)
        trunk_id = tiny_trunk_row(session)
        run_id = ended_run(
            session,
            project_id=project_id,
            kind="training.train",
            title="Train",
            parameters={},
            throwaway=throwaway,
        )
        version_id, number = register_version(
            session,
            project_id=project_id,
            run_id=run_id,
            throwaway=throwaway,
            trunk_id=trunk_id,
            parent_id=parent_id,
            snapshot_id=snapshot_id or snapshot_row(session, project_id),
            start=start,
            head_file=head.name,
            head_digest=_digest(head),
            classes=[
                ClassEntry(class_id, name, (usable or {}).get(name, 100), name in below_cutoff)
                for class_id, name in zip(class_ids, names, strict=True)
            ],
            lineage={},
            card={},
        )
    return TinyVersion(version_id, number, run_id, trunk_id, class_ids)


def deploy(project_id: int, version_id: int, *, upper: float = 0.8, lower: float = 0.4) -> int:
    """Put a version into production by row, without a gate; the deployment's id."""
    with write() as session:
        return session.scalars(
            insert(Deployment).returning(Deployment.id),
            {
                "project_id": project_id,
                "version_id": version_id,
                "throwaway": False,
                "is_active": True,
                "act": "promote",
                "reason": "first",
                "upper_threshold": upper,
                "lower_threshold": lower,
                "created_at": now(),
            },
        ).one()
