"""A decoding child: reads images from standard input, answers on standard output, within its memory limit.

Started by `pool.DecodePool` as `python -m app.imaging.child PARENT_PID MEMORY_MIB MAX_BYTES MAX_PIXELS`. It
ends when its input ends, and is killed with its parent.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
READY = b"ready\n"


def main(arguments: list[str]) -> None:
    """Serve images until standard input ends."""
    parent, memory_mib, max_bytes, max_pixels = map(int, arguments)
    _confine(parent, memory_mib=memory_mib)
    # Only now, so that the libraries count against the limit, and too low a one shows at the start.
    from app.imaging.frames import answer, read_frame
    from app.imaging.limits import Limits

    limits = Limits(max_bytes=max_bytes, max_pixels=max_pixels, film_codecs=True)
    source, sink = sys.stdin.buffer, sys.stdout.buffer

    def read_exactly(count: int) -> bytes:
        received = source.read(count)
        if len(received) < count:
            raise EOFError
        return received

    sink.write(READY)
    sink.flush()
    while True:
        try:
            _, (image_bytes,) = read_frame(read_exactly, max_body_bytes=max_bytes)
        except EOFError:
            return
        sink.write(answer(image_bytes, limits=limits))
        sink.flush()


def _confine(parent: int, *, memory_mib: int) -> None:
    """Leave Ctrl-C to the parent, die with it, keep to the memory limit (Linux; elsewhere only the first)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "linux":
        return
    import resource  # does not exist on every system

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("The parent has gone.")
    resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 2**20, memory_mib * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
