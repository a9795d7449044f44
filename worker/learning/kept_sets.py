"""Folders of files that can be made again: shared by runs while they use them, deleted by age and size when none does.

Beside each set `NAME` lies `NAME.lock`. A run holds a shared lock on it for as long as it uses the set, so that the
system itself knows which sets are in use, also after a kill; whoever deletes takes it alone. Its time of change says
when the set was last taken up.
"""

import fcntl
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOCK: Final = ".lock"
_POLL_S: Final = 0.1


class Held:
    """A set in use: until `close`, or until nobody refers to this any more."""

    def __init__(self, handle: int) -> None:
        self._close = weakref.finalize(self, os.close, handle)

    def close(self) -> None:
        """Let go."""
        self._close()


def hold(folder: Path, name: str) -> Held:
    """Marks the set `folder/name` as in use, and as used now."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _lock_of(folder / name)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, fcntl.LOCK_SH)
        if _is_still(path, handle):
            os.utime(path)
            return Held(handle)
        os.close(handle)  # it was deleted between opening and locking


@contextmanager
def alone(path: Path, while_waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One process or thread at a time; `path` is a lock file. `while_waiting` may raise to give up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _taken_alone(handle):
            while_waiting()
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def delete_unused(folders: Sequence[Path], *, unused_s: float, most_bytes: int) -> list[str]:
    """Deletes sets that nobody has taken up for `unused_s`, then the longest unused beyond `most_bytes` in all.

    Sets in use stay and count. Returns the names of those that went.
    """
    deleted = []
    sets = sorted((each for folder in folders for each in _sets(folder)), key=lambda each: each.used_at)
    total = sum(each.byte_count for each in sets)
    for each in sets:
        is_due = time.time() - each.used_at > unused_s or total > most_bytes
        if is_due and _delete(each.place):
            total -= each.byte_count
            deleted.append(each.place.name)
    return deleted


@dataclass(frozen=True, slots=True)
class _Set:
    place: Path
    used_at: float
    byte_count: int


def _sets(folder: Path) -> Iterator[_Set]:
    for place in folder.iterdir() if folder.is_dir() else ():
        if place.is_dir():
            lock = _lock_of(place)
            used_at = (lock if lock.exists() else place).stat().st_mtime
            yield _Set(place, used_at, sum(_byte_count(each) for each in place.iterdir()))


def _byte_count(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # renamed just now
        return 0


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}{_LOCK}")


def _delete(place: Path) -> bool:
    path = _lock_of(place)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken_alone(handle) or not _is_still(path, handle):
            return False
        shutil.rmtree(place)
        path.unlink()
        return True
    finally:
        os.close(handle)


def _taken_alone(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    """Whether the open file is the one that lies at `path`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
