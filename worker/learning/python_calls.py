"""Knows when TensorFlow's threads have stopped calling into Python.

A stream that nobody reads any more fills its buffers and rests. If the interpreter ends before that (a run that
failed, an impatient Ctrl-C), a thread in mid-call never gets the interpreter's lock again, and the process hangs in
the stream's destructor for ever.
"""

import threading
import time
from types import TracebackType
from typing import Final, Self

_QUIET_S: Final = 0.05
_LONGEST_S: Final = 10.0


class PythonCalls:
    """Wrap each call in `with calls:`; `wait_until_idle` then says when they are over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._last_at = float("-inf")
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        with self._lock:
            self._running += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._running -= 1
            self._last_at = time.monotonic()
            self._error = self._error or error

    @property
    def error(self) -> BaseException | None:
        """What the first call that failed raised; TensorFlow itself hands on no more than its text."""
        return self._error

    def wait_until_idle(self) -> bool:
        """Waits until no call has run for a moment, 10 s at most; whether it came to that."""
        give_up_at = time.monotonic() + _LONGEST_S
        while time.monotonic() < give_up_at:
            with self._lock:
                if not self._running and time.monotonic() - self._last_at >= _QUIET_S:
                    return True
            time.sleep(_QUIET_S / 5)
        return False
