"""Decode many images in child processes whose memory and time are limited.

Children are plain subprocesses, not `multiprocessing`, which a Celery worker's daemonic processes may not
use.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from app.core.errors import Unavailable
from app.imaging.child_process import ChildDiedError, ChildProcess, ChildTimeoutError
from app.imaging.errors import Reason, Undecodable
from app.imaging.limits import Limits
from app.imaging.processing import Processed

K = TypeVar("K")
Outcome = Processed | Undecodable
_IN_FLIGHT_PER_WORKER = 4


class DecodePool:
    """`workers` decoding children, started when first needed; a context manager, safe among threads.

    A child that crashes or overruns `seconds_per_image` is killed and replaced, and its image is reported as
    `Undecodable` (`crashed` after a second try, `timed_out`); `memory_mib` caps a child's address space
    (`out_of_memory`), of which about 160 MiB are the interpreter and its libraries.
    """

    def __init__(
        self,
        workers: int = 2,
        memory_mib: int = 2048,
        seconds_per_image: float = 20.0,
        *,
        limits: Limits | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"A decode pool has at least one worker; got {workers}.")
        self._workers = workers
        self._memory_mib = memory_mib
        self._seconds = seconds_per_image
        self._limits = limits or Limits()
        # One thread drives one child. The threads live as long as the pool: a child dies with the thread that
        # started it (that is what Linux calls its parent here).
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._idle: queue.SimpleQueue[ChildProcess] = queue.SimpleQueue()
        self._busy: set[ChildProcess] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def process_many(self, images: Iterable[tuple[K, bytes]]) -> Iterator[tuple[K, Outcome]]:
        """Each image's outcome, in the order of the images; at most four images a worker are held at a time.

        `images` is read in the caller's thread. Raises `Unavailable` where no child can be started at all.
        """
        pending: deque[tuple[K, Future[Outcome]]] = deque()
        try:
            for key, image_bytes in images:
                pending.append((key, self._threads.submit(self._outcome, image_bytes)))
                if len(pending) >= self._workers * _IN_FLIGHT_PER_WORKER:
                    first, outcome = pending.popleft()
                    yield first, outcome.result()
            while pending:
                first, outcome = pending.popleft()
                yield first, outcome.result()
        finally:
            for _, outcome in pending:
                outcome.cancel()

    def process_one(self, image_bytes: bytes) -> Outcome:
        """One image's outcome. Raises `Unavailable` where no child can be started."""
        return self._threads.submit(self._outcome, image_bytes).result()

    def close(self) -> None:
        """End the children at once; whoever still waits for an outcome gets `Unavailable`, and no image the blame."""
        with self._lock:
            self._is_closed = True
            for child in self._busy:
                child.signal_end()
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _outcome(self, image_bytes: bytes) -> Outcome:
        if len(image_bytes) > self._limits.max_bytes:
            rule = f"An image file may have at most {self._limits.max_bytes:,} bytes"
            return Undecodable(Reason.TOO_MANY_BYTES, f"{rule}; this one has {len(image_bytes):,}.")
        # A second try, since a child can also be killed for no fault of the image (memory short on the machine).
        return self._ask(image_bytes) or self._ask(image_bytes) or _crashed()

    def _ask(self, image_bytes: bytes) -> Outcome | None:
        """A child's answer; None where the child died over it."""
        child = self._take()
        try:
            outcome = child.ask(image_bytes, seconds=self._seconds)
        except ChildTimeoutError:
            self._discard(child)
            rule = f"An image must decode within {self._seconds:g} seconds"
            return Undecodable(Reason.TIMED_OUT, f"{rule}; this one did not.")
        except ChildDiedError:
            self._discard(child)
            if self._is_closed:
                raise _closed() from None
            return None
        with self._lock:
            self._busy.discard(child)
        self._idle.put(child)
        return outcome

    def _take(self) -> ChildProcess:
        """An idle child or a new one."""
        child = self._idle_child() or self._start()
        with self._lock:
            if not self._is_closed:
                self._busy.add(child)
                return child
        child.kill()
        raise _closed()

    def _idle_child(self) -> ChildProcess | None:
        while not self._idle.empty():
            child = self._idle.get()
            if child.is_alive():
                return child
            child.kill()
        return None

    def _start(self) -> ChildProcess:
        try:
            return self._new_child()
        except (ChildTimeoutError, ChildDiedError, OSError) as error:
            raise Unavailable(
                f"A decoding child must start in its {self._memory_mib} MiB of memory; it did not ({error})."
            ) from error

    def _new_child(self) -> ChildProcess:
        try:
            return ChildProcess(memory_mib=self._memory_mib, limits=self._limits)
        except ChildDiedError:
            # A second try here too: it may have been killed while it started.
            return ChildProcess(memory_mib=self._memory_mib, limits=self._limits)

    def _discard(self, child: ChildProcess) -> None:
        with self._lock:
            self._busy.discard(child)
        child.kill()


def _closed() -> Unavailable:
    return Unavailable("A decode pool must be open to decode; this one was closed meanwhile.")


def _crashed() -> Undecodable:
    return Undecodable(Reason.CRASHED, "An image must decode without ending the decoder; this one ended it twice.")
