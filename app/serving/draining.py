"""From the spool into SQL: transactions first, then their images into the pool; a segment goes when both are done.

Every step can be repeated: a transaction is inserted once by its id, an image is taken in once by its transaction. So a
drainer that is killed anywhere leaves nothing half done that the next one does not finish.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core.database import insert_into, read, write
from app.core.errors import WinnowError
from app.core.logging import get_logger
from app.core.storage import written_beside
from app.registry.models import Deployment
from app.serving.arrivals import ArrivingImages
from app.serving.models import Transaction
from app.serving.records import DamagedSegmentError, Spooled, read_records
from app.serving.spool import Spool, left_behind, process_folders

ASIDE: Final = "set-aside"
BATCH: Final = 200
BATCH_BYTES: Final = 64 * 2**20
GATHER_SECONDS: Final = 0.25
LOOK_FOR_DEAD_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 30.0
TELL_EVERY_SECONDS: Final = 60.0
_FAULTS: Final = (SQLAlchemyError, WinnowError, OSError)
_log = get_logger(__name__)

Arrived = Callable[[Session, int], object]
"""Told within a write session that a project's pool has grown; at most once a minute for each project."""


class Drainer:
    """Drains this process's spool and those of dead ones, in a thread of its own, from `start` to `stop`."""

    def __init__(self, spool: Spool, root: Path, *, arrived: Arrived) -> None:
        self._spool = spool
        self._root = root
        self._arrived = arrived
        self._images = ArrivingImages()
        self._grown: set[int] = set()
        self._told_at: dict[int, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drainer", daemon=True)

    def start(self) -> None:
        """Begin: what dead processes left first."""
        self._thread.start()

    def stop(self) -> None:
        """Drain once more and end. What fails then stays on disk for the next start."""
        self._ending.set()
        self._spool.arrived.set()
        self._thread.join()

    def drain(self) -> None:
        """Everything that this process has spooled so far. Raises what SQL, storage and decoding raise."""
        for segment in self._spool.seal():
            self._drain_segment(segment)
            self._spool.drop(segment)

    def drain_dead(self) -> None:
        """Everything that processes which are gone have left. Raises as `drain` does."""
        for folder in process_folders(self._root):
            with left_behind(folder) as segments:
                for segment in segments or ():
                    self._drain_segment(segment)
                    segment.unlink()

    def _run(self) -> None:
        looked_at = -LOOK_FOR_DEAD_SECONDS
        pause = GATHER_SECONDS
        while not self._ending.is_set():
            try:
                if time.monotonic() - looked_at >= LOOK_FOR_DEAD_SECONDS:
                    self.drain_dead()
                    looked_at = time.monotonic()
                self._drain_and_tell()
                pause = GATHER_SECONDS
            except _FAULTS as error:
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
                _log.warning("transactions wait on disk", error=str(error), next_try_s=pause)
            if pause == GATHER_SECONDS and not self._spool.arrived.wait(1.0):
                self._images.rest()
            self._ending.wait(pause)
        self._finish()

    def _finish(self) -> None:
        try:
            self._drain_and_tell(at_once=True)
        except _FAULTS as error:
            _log.warning("transactions stay on disk for the next start", error=str(error))
        finally:
            self._images.close()

    def _drain_and_tell(self, *, at_once: bool = False) -> None:
        self.drain()
        for project_id in sorted(self._grown):
            if at_once or time.monotonic() - self._told_at.get(project_id, -TELL_EVERY_SECONDS) >= TELL_EVERY_SECONDS:
                with write() as session:
                    self._arrived(session, project_id)
                self._told_at[project_id] = time.monotonic()
                self._grown.discard(project_id)

    def _drain_segment(self, segment: Path) -> None:
        """Bring a segment into SQL; what cannot be is kept aside for a person."""
        kept: list[bytes] = []
        rest: list[bytes] = []
        for batch in _batches(_readable(segment, rest)):
            accepted = _insert(batch)
            if len(accepted) < len(batch):
                kept += [record.encode() for record in batch if record not in accepted]
            self._grown |= self._images.take_in(accepted)
        if kept + rest:
            aside = self._root / ASIDE / f"{segment.parent.name}-{segment.name}"
            with written_beside(aside) as file:
                file.writelines(kept + rest)
            _log.error("part of a segment was set aside", file=aside.name, bytes=sum(map(len, kept + rest)))


def _readable(segment: Path, rest: list[bytes]) -> Iterator[Spooled]:
    """The whole records. `rest` gets what follows them: a write that no answer had waited for yet, or damage."""
    try:
        yield from read_records(segment)
    except DamagedSegmentError as damage:
        rest.append(segment.read_bytes()[damage.offset :])


def _batches(records: Iterable[Spooled]) -> Iterator[list[Spooled]]:
    """Records in groups that fit into memory and one short transaction."""
    batch: list[Spooled] = []
    byte_count = 0
    for record in records:
        batch.append(record)
        byte_count += len(record.image_bytes)
        if len(batch) >= BATCH or byte_count >= BATCH_BYTES:
            yield batch
            batch, byte_count = [], 0
    if batch:
        yield batch


def _insert(batch: Sequence[Spooled]) -> list[Spooled]:
    """Insert transactions that are not there yet; returns those whose deployment this database knows."""
    named = {record.served.deployment_id for record in batch}
    with read() as session:
        known = set(session.scalars(select(Deployment.id).where(Deployment.id.in_(named))))
    if named - known:
        _log.error("this database does not know the deployment of a transaction", deployments=sorted(named - known))
    accepted = [record for record in batch if record.served.deployment_id in known]
    if accepted:
        with write() as session:
            statement = insert_into(session, Transaction).on_conflict_do_nothing()
            session.connection().execute(statement, [record.served.row() for record in accepted])
    return accepted
