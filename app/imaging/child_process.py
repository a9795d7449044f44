"""The parent's end of one decoding child: start, ask with a deadline, kill."""

import fcntl
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from app.imaging.child import READY
from app.imaging.errors import Undecodable
from app.imaging.frames import BadFrameError, decode_outcome, frame_pieces, read_frame
from app.imaging.limits import Limits
from app.imaging.processing import Processed

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
_PIPE_BYTES = 1024 * 1024
_MAX_ANSWER_BYTES = 64 * 1024 * 1024


class ChildTimeoutError(Exception):
    """No answer within the time limit."""


class ChildDiedError(Exception):
    """The child ended, or answered nonsense."""


class ChildProcess:
    """One child. After `ChildTimeoutError` or `ChildDiedError` it is of no more use: `kill` it."""

    def __init__(self, *, memory_mib: int, limits: Limits) -> None:
        """Start and wait until it is ready. Raises `ChildTimeoutError` or `ChildDiedError` where it does not start."""
        arguments = map(str, (os.getpid(), memory_mib, limits.max_bytes, limits.max_pixels))
        self._process = subprocess.Popen(  # noqa: S603  (our own module and four numbers)
            # -P: the working folder may hold strangers' files, and must not be imported from.
            [sys.executable, "-P", "-W", "ignore", "-m", "app.imaging.child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            bufsize=0,
        )
        self._input = _as_pipe(self._process.stdin)
        self._output = _as_pipe(self._process.stdout)
        self._deadline = time.monotonic() + _START_SECONDS
        try:
            self._read_exactly(len(READY))
        except (ChildTimeoutError, ChildDiedError):
            self.kill()
            raise

    def ask(self, image_bytes: bytes, *, seconds: float) -> Processed | Undecodable:
        """Send one image and wait for the answer. Raises `ChildTimeoutError` or `ChildDiedError`."""
        self._deadline = time.monotonic() + seconds
        self._write(*frame_pieces({}, image_bytes))
        try:
            return decode_outcome(*read_frame(self._read_exactly, max_body_bytes=_MAX_ANSWER_BYTES))
        except BadFrameError as error:
            raise ChildDiedError(str(error)) from error

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def signal_end(self) -> None:
        """End it from another thread than the one that asks, which then sees `ChildDiedError`."""
        self._process.kill()

    def kill(self) -> None:
        """End it and give back what it holds."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _write(self, *pieces: bytes) -> None:
        rest = [memoryview(piece) for piece in pieces]
        while rest:
            self._wait(writing=True)
            try:
                rest = _after(rest, os.writev(self._input, rest))
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise ChildDiedError("The decoding child ended.") from error

    def _read_exactly(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            self._wait(writing=False)
            try:
                chunk = os.read(self._output, count - len(received))
            except BlockingIOError:
                continue
            if not chunk:
                raise ChildDiedError("The decoding child ended.")
            received += chunk
        return bytes(received)

    def _wait(self, *, writing: bool) -> None:
        poll = select.poll()
        poll.register(self._input if writing else self._output, select.POLLOUT if writing else select.POLLIN)
        remaining = self._deadline - time.monotonic()
        if remaining <= 0 or not poll.poll(remaining * 1000):
            raise ChildTimeoutError


def _after(pieces: list[memoryview], count: int) -> list[memoryview]:
    """What is left of some pieces after so many bytes."""
    for at, piece in enumerate(pieces):
        if count < len(piece):
            return [piece[count:], *pieces[at + 1 :]]
        count -= len(piece)
    return []


def _as_pipe(stream: IO[bytes] | None) -> int:
    if stream is None:
        raise ChildDiedError("The decoding child has no pipe.")
    descriptor = stream.fileno()
    os.set_blocking(descriptor, False)
    if sys.platform == "linux":
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except PermissionError:
            return descriptor  # The user's total of pipe memory is used up: slower, no less right.
    return descriptor


def _environment() -> dict[str, str]:
    """Nothing of the parent's settings and secrets; one thread for the numeric library."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **kept,
        **threads,
        "PYTHONPATH": str(_ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "1",
    }
