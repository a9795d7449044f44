"""What the work of a run may ask and tell, for work that lives in `app`. `worker.execution.RunContext` provides it."""

from __future__ import annotations

from typing import Literal, Protocol

from sqlalchemy.orm import Session

from app.core.database import Json


class RunContext(Protocol):
    """A claimed run while its work goes on. See `worker.execution` for what each method does and raises."""

    run_id: int
    project_id: int
    parameters: Json
    throwaway: bool
    attempt: int
    created_by: int | None

    def progress(self, done: int, total: int, note: str = "", **live: object) -> None:
        """Tell how far the work is. Raises LostLease, RunCancelled."""

    def wants(self) -> Literal["stop", "cancel"] | None:
        """What people asked meanwhile."""

    def raise_if_cancelled(self) -> None:
        """Raises RunCancelled or LostLease when the work should end now."""

    def complete(self, session: Session, result: Json, *, stopped_early: bool = False) -> None:
        """End the run as a success within `session`. Raises LostLease."""
