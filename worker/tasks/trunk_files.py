"""Artifacts into storage under their digests, and trunks into the registry once each."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import select

from app.core.database import read, write
from app.core.settings import get_settings
from app.core.storage import get_storage, written_beside
from app.imaging.model_input import PREPROCESSING_VERSION
from app.registry.artifacts import FOLDER
from app.registry.models import Trunk
from app.registry.queries import get_trunk
from app.registry.schemas import TrunkRef
from app.registry.service import register_trunk
from worker.learning.artifacts import file_digest, read_trunk_card
from worker.learning.export import export_trunk
from worker.learning.trunks import write_starting_trunk


def publish(path: Path, name: str) -> None:
    """Put a file into the folder of artifacts under its digest's name; one that is there stays."""
    target = get_storage().file_path(FOLDER, name)
    if not target.exists():
        with path.open("rb") as source, written_beside(target) as beside:
            shutil.copyfileobj(source, beside)


def starting_trunk(architecture: str, input_size: int, folder: Path) -> TrunkRef:
    """The pretrained trunk that no run has touched, exported once for all who use it; files are made in `folder`.

    Raises WeightsUnavailable or WeightsRefused.
    """
    path = folder / "starting.trunk.safetensors"
    write_starting_trunk(
        path,
        architecture=architecture,
        input_size=input_size,
        weights_folder=get_settings().trunk_weights_dir,
    )
    return registered_trunk(path, folder)


def registered_trunk(path: Path, folder: Path) -> TrunkRef:
    """The trunk with these weights: known by its digest, or exported, put into storage and registered now."""
    digest = file_digest(path)
    with read() as session:
        known = session.scalar(select(Trunk.id).where(Trunk.digest == digest))
        if known is not None:
            return get_trunk(session, known)
    card = read_trunk_card(path)
    exported = export_trunk(path, folder / "trunk.onnx")
    publish(path, f"{digest}.trunk.safetensors")
    publish(exported.path, f"{exported.digest}.onnx")
    with write() as session:
        trunk_id = register_trunk(
            session,
            digest=digest,
            architecture=card.architecture,
            input_size=card.input_size,
            width=card.embedding_width,
            preprocessing=PREPROCESSING_VERSION,
            weights_file=f"{digest}.trunk.safetensors",
            exported_file=f"{exported.digest}.onnx",
            exported_digest=exported.digest,
            byte_count=exported.path.stat().st_size,
        )
        return get_trunk(session, trunk_id)
