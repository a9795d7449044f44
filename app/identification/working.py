"""Working on chunks: claim one, score what of it is missing, mark it done, until none is left.

The run that owns the job and its assistants do the same here. A chunk that is done twice stores the same rows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.core.database import read, write
from app.embeddings.work import ROWS_PER_SHARD
from app.identification.chunks import Holder, Part, Sums, claim_part, finish, note_dealt, release, sums
from app.identification.rates import keep_rates
from app.identification.schemas import Selection
from app.identification.waiting import Waiting
from app.predictions.answering import answer_images
from app.predictions.service import store_rows
from app.registry.artifacts import load_version
from app.runs.context import RunContext

SECONDS_BETWEEN_TELLS: Final = 1.0
_RATE_SECONDS: Final = 30.0


class _Lost(Exception):
    """Somebody else has the chunk in hand now."""


@dataclass(frozen=True, slots=True)
class Work:
    """What whoever works on a run's chunks must know. `run_id` is the run that owns them."""

    run_id: int
    project_id: int
    job_id: int
    version_id: int
    selection: Selection
    ids_per_range: int
    rows_per_shard: int = ROWS_PER_SHARD

    def waiting(self, **options: frozenset[int]) -> Waiting:
        """What the job has not scored."""
        return Waiting(self.selection, project_id=self.project_id, job_id=self.job_id, **options)


class Pace:
    """Images per second over all workers, as it was during the last half minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def rate(self, dealt: int) -> float:
        """Take in how many images are settled now; images per second."""
        at = time.monotonic()
        if self._seen and dealt < self._seen[-1][1]:  # A lost chunk begins anew.
            self._seen.clear()
        self._seen.append((at, dealt))
        while at - self._seen[0][0] > _RATE_SECONDS and len(self._seen) > 2:  # noqa: PLR2004 - two points make a rate
            self._seen.popleft()
        since, then = self._seen[0]
        return (dealt - then) / (at - since) if at > since else 0.0


class Worker:
    """One process at a run's chunks. `look` is called about each second, with what of the chunk in hand is settled.

    What `look` raises ends the work; when it returns False the worker stops after the batch in hand.
    """

    def __init__(self, context: RunContext, work: Work, look: Callable[[Part, int], bool]) -> None:
        self.holder = Holder(context.run_id, context.attempt)
        self.parts = 0
        self.images = 0
        self._work = work
        self._look = look
        self._goes_on = True
        self._looked_at = 0.0
        self._version = load_version(work.version_id)

    def do_one(self) -> bool:
        """Claim a chunk and do it. False: none is left to claim, or the worker was stopped."""
        if not self._goes_on:
            return False
        part = claim_part(self._work.run_id, self.holder)
        if part is None:
            return False
        is_done = False
        try:
            is_done = self._do(part)
        except _Lost:
            is_done = True  # by somebody else: there is nothing to give back
        finally:
            if not is_done:
                release(part, self.holder)
        return is_done

    @property
    def is_stopped(self) -> bool:
        """Whether `look` has asked for an end."""
        return not self._goes_on

    def _do(self, part: Part) -> bool:
        work = self._work
        began = time.monotonic()
        known = part.images - work.waiting().count(part.first_id, part.last_id)
        scored = answer_images(
            work.version_id,
            work.waiting().ids(part.first_id, part.last_id),
            on_rows=lambda rows: store_rows(work.job_id, rows),
            should_stop=lambda: not self._goes_on,
            on_progress=lambda dealt: self._tell(part, max(0, known) + dealt),
            ids_per_chunk=work.ids_per_range,
            rows_per_shard=work.rows_per_shard,
        )
        if not scored.is_complete:
            return False
        with write() as session:
            if not finish(session, part, self.holder, scored, time.monotonic() - began):
                raise _Lost
            keep_rates(session, work.run_id, self._version.trunk.ref.id)
        self.parts += 1
        self.images += scored.images
        self._looked_at = 0.0
        self._tell(part, part.images, is_done=True)
        return True

    def _tell(self, part: Part, dealt: int, *, is_done: bool = False) -> None:
        if time.monotonic() - self._looked_at < SECONDS_BETWEEN_TELLS:
            return
        self._looked_at = time.monotonic()
        if not is_done:
            with write() as session:
                if not note_dealt(session, part, self.holder, dealt):
                    raise _Lost
        self._goes_on = self._look(part, dealt) and self._goes_on


def sums_of(work: Work) -> Sums:
    """How far the run is now."""
    with read() as session:
        return sums(session, work.run_id)
