"""Values that cross the border of `runs`."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.core.database import Json


@dataclass(frozen=True)
class Claim:
    """A run as the worker that claimed it sees it. `attempt` fences every later write."""

    run_id: int
    project_id: int
    kind: str
    attempt: int
    throwaway: bool
    parameters: Json
    created_by: int | None


@dataclass(frozen=True)
class Wishes:
    """What people asked of a running run."""

    cancel: bool
    stop: bool


@dataclass(frozen=True)
class Progress:
    """How far a run is: `done` of `total` (0: not known yet), a short note, and a few live figures."""

    done: int
    total: int
    note: str = ""
    live: Json = field(default_factory=dict)
