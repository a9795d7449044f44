"""Where a transaction is safe before its answer leaves: a folder of append-only segments, one folder a process.

One thread writes: whatever waits goes out in one write and one fdatasync, and only then do those who wait go on. No
record waits for company, so that a lone request pays for one sync. A process holds a lock on its folder while it lives;
a folder whose lock is free was left by a dead one, and anyone may drain it.
"""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ulid import ULID

from app.core.errors import Unavailable
from app.core.logging import get_logger
from app.core.storage import sync_folder

SEGMENT_BYTES: Final = 64 * 2**20
GROUP_BYTES: Final = 32 * 2**20
_LOCK: Final = "lock"
_log = get_logger(__name__)
_sync = getattr(os, "fdatasync", os.fsync)

Waiting = tuple[bytes, "Future[None]"]


class Spool:
    """One process's spool below `root`. Its folder is made with the first record. Safe among threads."""

    def __init__(self, root: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._segment_bytes = segment_bytes
        self._folder: Path | None = None
        self._lock_handle = -1
        self._handle = -1
        self._path: Path | None = None
        self._length = 0
        self._segments = 0
        self._sealed: list[Path] = []
        self._files = threading.Lock()
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self.arrived = threading.Event()
        self._writer = threading.Thread(target=self._write_all, name="spool", daemon=True)
        self._writer.start()

    def append(self, record: bytes) -> Future[None]:
        """Hand over a record; the future is done once it is on disk, or raises Unavailable where it cannot be."""
        stored: Future[None] = Future()
        self._waiting.put((record, stored))
        return stored

    def seal(self) -> list[Path]:
        """Close the present segment; the paths of all closed ones, oldest first. What comes now starts another."""
        with self._files:
            self.arrived.clear()
            self._close_segment()
            return list(self._sealed)

    def drop(self, segment: Path) -> None:
        """Forget a sealed segment whose records are in SQL."""
        with self._files:
            segment.unlink(missing_ok=True)
            self._sealed.remove(segment)

    def stop_writing(self) -> None:
        """Write what waits, then end the writer. Nothing may be appended afterwards."""
        self._waiting.put(None)
        self._writer.join()

    def close(self) -> None:
        """Release the folder: it goes if it is empty, else whoever comes next drains it."""
        with self._files:
            self._close_segment()
            if self._folder is not None:
                if not self._sealed:
                    shutil.rmtree(self._folder, ignore_errors=True)
                os.close(self._lock_handle)
                self._folder = None

    def _write_all(self) -> None:
        is_open = True
        while is_open:
            first = self._waiting.get()
            if first is None:
                return
            group, is_open = self._gather(first)
            self._store(group)

    def _gather(self, first: Waiting) -> tuple[list[Waiting], bool]:
        """Everything that waits right now, up to a bound; False once the end was asked for."""
        group, byte_count = [first], len(first[0])
        while byte_count < GROUP_BYTES:
            try:
                more = self._waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return group, False
            group.append(more)
            byte_count += len(more[0])
        return group, True

    def _store(self, group: list[Waiting]) -> None:
        try:
            with self._files:
                self._append(b"".join(record for record, _ in group))
        except OSError as error:
            _log.error("spool cannot be written", error=str(error))
            refusal = Unavailable("The request cannot be recorded now: the disk refuses to write.", code="spool")
            for _, stored in group:
                stored.set_exception(refusal)
            return
        for _, stored in group:
            stored.set_result(None)
        self.arrived.set()

    def _append(self, content: bytes) -> None:
        if self._length >= self._segment_bytes:
            self._close_segment()
        if self._handle < 0:
            self._open_segment()
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(self._handle, view) :]
            _sync(self._handle)
        except OSError:
            self._cut_back()
            raise
        self._length += len(content)

    def _cut_back(self) -> None:
        """After a failed write: leave only what was acknowledged, and go on in another segment."""
        with suppress(OSError):
            os.ftruncate(self._handle, self._length)
        self._close_segment()

    def _open_segment(self) -> None:
        folder = self._folder or self._make_folder()
        path = folder / f"{self._segments:08}.log"
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._segments += 1
        self._path, self._length = path, 0
        sync_folder(folder)

    def _close_segment(self) -> None:
        if self._handle < 0 or self._path is None:
            return
        os.close(self._handle)
        self._sealed.append(self._path)
        self._handle, self._path, self._length = -1, None, 0

    def _make_folder(self) -> Path:
        """The folder appears under its name locked: nobody can take it for a dead process's."""
        name = str(ULID())
        unnamed, folder = self._root / f".{name}", self._root / name
        unnamed.mkdir(parents=True, mode=0o700)
        self._lock_handle = os.open(unnamed / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock_handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(folder)
        sync_folder(self._root)
        self._folder = folder
        return folder


@contextmanager
def left_behind(folder: Path) -> Iterator[list[Path] | None]:
    """The segments of a dead process's folder, oldest first, held for this caller alone; None while somebody has it.

    The folder goes at the end if its segments are gone.
    """
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield None
    else:
        yield sorted(folder.glob("*.log"))
        if not any(folder.glob("*.log")):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def process_folders(root: Path) -> list[Path]:
    """The folders of all processes, living and dead."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and len(path.name) == len(str(ULID())))
