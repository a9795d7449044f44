"""Many originals on disk for good, with as few waits as that takes.

Several threads write and fsync files in a folder of arrivals; then all are renamed to their digests, and each folder
that got some is fsynced once. A kill leaves arrivals that nobody knows, which are swept after a day.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from ulid import ULID

from app.core.storage import Storage, sync_folder

# Waiting for a disk costs no core, and a file system writes its journal once for all that wait at the same time.
_THREADS: Final = 8
_KEEP_SECONDS: Final = 24 * 3600
_FLAGS: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC


class BlobWriter:
    """Takes originals until `settle`, after which they survive a power cut. For one thread; `close` it at the end."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blob")
        self._arrivals = str(storage.folder("arrivals"))
        self._prefix = str(ULID())
        self._written: list[tuple[Future[None], str, Path]] = []
        self._count = 0
        _sweep(self._arrivals)

    def add(self, digest: str, content: bytes) -> None:
        """Begin to store an original under its SHA-256; known bytes are not written again."""
        target = self._storage.blob_path(digest)
        if target.exists():
            return
        self._count += 1
        beside = f"{self._arrivals}/{self._prefix}.{self._count}"
        self._written.append((self._threads.submit(_write, beside, content), beside, target))

    def settle(self) -> None:
        """Wait until all that was added is there for good. Raises OSError, as a full disk does."""
        written, self._written = self._written, []
        folders: set[Path] = set()
        for writing, beside, target in written:
            writing.result()
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                folders.add(target.parent.parent)
            os.replace(beside, target)  # noqa: PTH105 - plain text paths are what makes this cheap
            folders.add(target.parent)
        for synced in [self._threads.submit(sync_folder, folder) for folder in folders]:
            synced.result()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _write(path: str, content: bytes) -> None:
    file = os.open(path, _FLAGS, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def _sweep(arrivals: str) -> None:
    oldest = time.time() - _KEEP_SECONDS
    for entry in os.scandir(arrivals):
        if entry.stat().st_mtime < oldest:
            Path(entry.path).unlink(missing_ok=True)
