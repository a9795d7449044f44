"""A version's files, loaded: digest-checked before use, kept per process by content.

The caches are keyed by digest, never by id: what a digest names cannot change, so nothing has to be invalidated.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.core.database import read
from app.core.errors import Unavailable
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.inference.classifier import Classifier
from app.inference.engine import TrunkEngine
from app.inference.head import Head
from app.inference.head import load_head as read_head
from app.registry.queries import get_trunk, get_version, version_classes
from app.registry.schemas import FrozenClass, TrunkRef, VersionRef

FOLDER = "artifacts"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedTrunk:
    """A trunk ready to embed."""

    ref: TrunkRef
    engine: TrunkEngine


@dataclass(frozen=True, slots=True, eq=False)
class LoadedHead:
    """A version's head and frozen class list: enough to score embeddings that are at hand."""

    version: VersionRef
    classes: tuple[FrozenClass, ...]
    head: Head

    @property
    def class_ids(self) -> list[int]:
        """Class ids in the order of the head's scores."""
        return [entry.class_id for entry in self.classes]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedVersion:
    """A whole version, ready to score images."""

    version: VersionRef
    classes: tuple[FrozenClass, ...]
    trunk: LoadedTrunk
    head: Head

    @property
    def classifier(self) -> Classifier:
        """Images to scores, through trunk and head."""
        return Classifier(self.trunk.engine, self.head)

    @property
    def class_ids(self) -> list[int]:
        """Class ids in the order of the head's scores."""
        return [entry.class_id for entry in self.classes]


def checked_path(name: str, digest: str) -> Path:
    """The path of an artifact whose bytes have this SHA-256. Raises Unavailable where it is gone or differs."""
    path = get_storage().file_path(FOLDER, name)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise Unavailable(f"the artifact {name} is missing from storage", code="artifact_missing") from error
    if found != digest:
        raise Unavailable(
            f"the artifact {name} was changed: its digest is {found[:12]}…, registered is {digest[:12]}…",
            code="artifact_changed",
        )
    return path


@lru_cache(maxsize=3)
def _engine(name: str, digest: str, threads: int) -> TrunkEngine:
    return TrunkEngine(checked_path(name, digest), threads=threads or None)


@lru_cache(maxsize=32)
def _head(name: str, digest: str, temperature: float) -> Head:
    return read_head(checked_path(name, digest), temperature=temperature)


def _loaded_trunk(ref: TrunkRef) -> LoadedTrunk:
    threads = get_settings().inference_threads
    return LoadedTrunk(ref, _engine(ref.exported_file, ref.exported_digest, threads))


def load_trunk(trunk_id: int) -> LoadedTrunk:
    """A trunk with its engine. Raises NotFound, Unavailable (missing or changed file), EngineError."""
    with read() as session:
        ref = get_trunk(session, trunk_id)
    return _loaded_trunk(ref)


def load_head(version_id: int) -> LoadedHead:
    """A version's head without its trunk's engine: cheap enough for a page. Raises as `load_trunk` does."""
    with read() as session:
        version = get_version(session, version_id)
        classes = tuple(version_classes(session, version_id))
    head = _head(version.head_file, version.head_digest, version.temperature)
    if head.classes != len(classes):
        raise Unavailable(
            f"the head of version {version.number} scores {head.classes} classes, its class list has {len(classes)}",
            code="artifact_changed",
        )
    return LoadedHead(version, classes, head)


def load_version(version_id: int) -> LoadedVersion:
    """A version with trunk and head. Raises as `load_trunk` does."""
    loaded = load_head(version_id)
    return LoadedVersion(loaded.version, loaded.classes, _loaded_trunk(loaded.version.trunk), loaded.head)
