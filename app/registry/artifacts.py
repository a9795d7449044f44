"""A version's files, loaded: digest-checked before use, kept per process by content.

The caches are keyed by digest, never by id: what a digest names cannot change, so nothing has to be invalidated.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from app.core.database import read
from app.core.errors import Unavailable
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.inference.classifier import Classifier
from app.inference.engine import TrunkEngine
from app.inference.head import Head
from app.inference.head import load_head as read_head
from app.inference.plans import EnginePlan
from app.registry.engines import plan_for
from app.registry.queries import get_trunk, get_version, version_classes
from app.registry.schemas import FrozenClass, TrunkRef, VersionRef

FOLDER = "artifacts"


@dataclass(frozen=True, eq=False)
class LoadedTrunk:
    """A trunk whose file was checked, and the plan by which this machine runs it. Its engines open when asked for."""

    ref: TrunkRef
    plan: EnginePlan

    @cached_property
    def engine(self) -> TrunkEngine:
        """For one call that shall answer soonest, as serving makes them. Raises EngineError."""
        plan = self.plan.for_one_call(get_settings().inference_threads)
        return _engine(self.ref.exported_file, self.ref.exported_digest, plan)

    @cached_property
    def bulk_engine(self) -> TrunkEngine:
        """For as many images a second as the machine can. Raises EngineError."""
        return _engine(self.ref.exported_file, self.ref.exported_digest, self.plan)


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


def _verify(name: str, digest: str) -> None:
    """Read through once a process and file: a trunk is asked for again with each chunk of a job."""
    try:
        status = get_storage().file_path(FOLDER, name).stat()
    except FileNotFoundError as error:
        raise Unavailable(f"the artifact {name} is missing from storage", code="artifact_missing") from error
    _verified(name, digest, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _verified(name: str, digest: str, _modified_ns: int, _size: int) -> Path:  # the last two are what a cache must know
    return checked_path(name, digest)


@lru_cache(maxsize=4)
def _engine(name: str, digest: str, plan: EnginePlan) -> TrunkEngine:
    return TrunkEngine(checked_path(name, digest), plan=plan)


@lru_cache(maxsize=32)
def _head(name: str, digest: str, temperature: float) -> Head:
    return read_head(checked_path(name, digest), temperature=temperature)


def load_trunk(trunk_id: int) -> LoadedTrunk:
    """A trunk with the plan that is pinned for this machine.

    Raises NotFound, and Unavailable for a missing or changed file or a precision that this machine cannot compute in.
    """
    with read() as session:
        ref = get_trunk(session, trunk_id)
        plan = plan_for(session, trunk_id)
    _verify(ref.exported_file, ref.exported_digest)
    return LoadedTrunk(ref, plan)


def load_head(version_id: int) -> LoadedHead:
    """A version's head without its trunk: cheap enough for a page. Raises as `load_trunk` does."""
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
    return LoadedVersion(loaded.version, loaded.classes, load_trunk(loaded.version.trunk.id), loaded.head)
