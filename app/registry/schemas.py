"""Values of the registry as other domains see them: frozen, free of any session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TrunkRef:
    """A trunk: `input_size` in pixels, `width` the length of an embedding, files in the folder "artifacts"."""

    id: int
    digest: str
    architecture: str
    input_size: int
    width: int
    preprocessing: str
    weights_file: str
    exported_file: str
    exported_digest: str
    byte_count: int
    precision: str = "float32"
    """Of the exported file; one that is not float32 has no weights of its own to train on from."""


@dataclass(frozen=True, slots=True)
class FrozenClass:
    """A class as a version was trained with it. `position` is its column in the head's scores."""

    position: int
    class_id: int
    name: str
    usable: int
    below_cutoff: bool


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A model version with its trunk."""

    id: int
    project_id: int
    number: int
    run_id: int
    throwaway: bool
    state: str
    parent_id: int | None
    snapshot_id: int
    start: str
    head_file: str
    head_digest: str
    temperature: float
    created_at: datetime
    trunk: TrunkRef


@dataclass(frozen=True, slots=True)
class Production:
    """What serves now: `upper` and `lower` are the confidence thresholds of the deployment, 0..1."""

    version_id: int
    number: int
    deployment_id: int
    upper: float
    lower: float


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """A class of a version to be registered, in the order of the head's scores."""

    class_id: int
    name: str
    usable: int
    below_cutoff: bool
