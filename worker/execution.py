"""`execute_run`: claim → heartbeat → work → ended. The only place that does this, and the only broad except."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import structlog
from sqlalchemy.orm import Session

from app.core.database import Json
from app.core.errors import WinnowError
from app.core.logging import get_logger
from app.core.settings import get_settings
from app.runs import claims
from app.runs.errors import LostLease, RunCancelled
from app.runs.schemas import Claim, Progress, Wishes

log = get_logger(__name__)
SECONDS_BETWEEN_REPORTS = 0.5


class RunContext:
    """What the work of a run may ask and tell. Safe to use from several threads."""

    def __init__(self, claimed: Claim) -> None:
        self.claim = claimed
        self.run_id = claimed.run_id
        self.project_id = claimed.project_id
        self.parameters: Json = claimed.parameters
        self.throwaway = claimed.throwaway
        self.attempt = claimed.attempt
        self.created_by = claimed.created_by
        self._lock = threading.Lock()
        self._reported_at = 0.0
        self._unsent: Progress | None = None
        self._wishes = Wishes(cancel=False, stop=False)
        self._is_lost = False
        self._is_completed = False

    @property
    def is_completed(self) -> bool:
        """Whether `complete` was called."""
        return self._is_completed

    def progress(self, done: int, total: int, note: str = "", **live: object) -> None:
        """Tell how far the work is; written at most twice a second. Raises LostLease, RunCancelled."""
        with self._lock:
            self._unsent = Progress(done, total, note, dict(live))
            is_due = time.monotonic() - self._reported_at >= SECONDS_BETWEEN_REPORTS
        if is_due:
            self.beat()
        self.raise_if_cancelled()

    def beat(self) -> None:
        """Renew the lease and send progress that waits. Called by the heartbeat thread too."""
        with self._lock:
            unsent, self._unsent = self._unsent, None
            self._reported_at = time.monotonic()
        try:
            self._wishes = claims.renew(self.claim, unsent)
        except LostLease:
            self._is_lost = True
            raise

    def wants(self) -> Literal["stop", "cancel"] | None:
        """What people asked meanwhile, as far as the last heartbeat knows. A lost lease counts as cancel."""
        if self._wishes.cancel or self._is_lost:
            return "cancel"
        return "stop" if self._wishes.stop else None

    def raise_if_cancelled(self) -> None:
        """Raises RunCancelled or LostLease when the work should end now."""
        if self._is_lost:
            raise LostLease(f"run {self.run_id} went to another worker")
        if self._wishes.cancel:
            raise RunCancelled

    def complete(self, session: Session, result: Json, *, stopped_early: bool = False) -> None:
        """End the run as a success within `session`, the one that registers what it made. Raises LostLease."""
        claims.complete(session, self.claim, result=result, stopped_early=stopped_early)
        self._is_completed = True


@contextmanager
def _heartbeat(context: RunContext) -> Iterator[None]:
    """Renew the lease from a thread three times per lease, so that a long step does not lose the run."""
    ended = threading.Event()
    pause = min(5.0, get_settings().run_lease_seconds / 3)

    def keep_beating() -> None:
        while not ended.wait(pause):
            try:
                context.beat()
            except LostLease:
                return
            except Exception:
                log.exception("a heartbeat failed; the next one tries again")

    thread = threading.Thread(target=keep_beating, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=15)


def execute_run(run_id: int, work: Callable[[RunContext], None]) -> None:
    """Claim the run and do its work; every way it can end leaves a plain state with a reason.

    `work` must call `context.complete(...)` in the write session that registers what it made. A run that is not ours
    to take (ended, claimed, gone) is left alone: messages may come late or twice.
    """
    claimed = claims.claim(run_id)
    if claimed is None:
        return
    context = RunContext(claimed)
    with structlog.contextvars.bound_contextvars(run_id=run_id, attempt=claimed.attempt), _heartbeat(context):
        _do(context, work)


def _do(context: RunContext, work: Callable[[RunContext], None]) -> None:
    try:
        work(context)
        if not context.is_completed:
            raise RuntimeError("the work ended without completing its run")
    except RunCancelled:
        claims.mark_cancelled(context.claim)
    except LostLease as lost:
        log.warning("run went to another worker", reason=str(lost))
    except WinnowError as error:
        log.warning("run failed", code=error.code, reason=error.message)
        claims.fail(context.claim, code=error.code, message=error.message)
    except MemoryError:
        log.exception("run ran out of memory")
        claims.fail(context.claim, code="out_of_memory", message="Not enough memory. Try a smaller batch or input.")
    except (KeyboardInterrupt, SystemExit):
        claims.give_back(context.claim, reason="its worker was asked to end")
        raise
    except Exception as error:
        log.exception("run failed with an unexpected error")
        message = f"Unexpected error ({type(error).__name__}). The log has the details; the run can be resumed."
        claims.fail(context.claim, code="internal", message=message)
