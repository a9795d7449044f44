"""What can go wrong around a training run, in words for the person who asked for it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.errors import Unavailable
from app.core.storage import get_storage
from app.registry.artifacts import checked_path
from app.registry.schemas import VersionRef
from app.training.schemas import TrainingJob
from worker.learning.errors import DiskFull, ManifestInvalid

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MIB: Final = 2**20


@contextmanager
def full_disk_said() -> Iterator[None]:
    """Raises DiskFull, with the space that is left, where writing fails for want of room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        free = shutil.disk_usage(get_storage().root).free // _MIB
        raise DiskFull(
            f"There was no room to write ({error.strerror}): {free:,} MiB are free in the data folder. Make room and"
            " resume the run: it goes on from its last epoch."
        ) from error


def parent_file(parent: VersionRef, name: str, digest: str) -> Path:
    """A file of the version that the run starts from. Raises Unavailable where it is gone or another."""
    try:
        return checked_path(name, digest)
    except Unavailable as error:
        raise Unavailable(
            f"Version {parent.number}, which the run starts from, is no longer whole: {error.message}. Choose another"
            " version, or another start.",
            code="parent_gone",
        ) from error


def refuse_empty_classes(job: TrainingJob, trained: NDArray[np.int64]) -> None:
    """Raises ManifestInvalid with the names of classes that none of the positions in `trained` belongs to."""
    counts = np.bincount(trained, minlength=len(job.manifest.classes))
    empty = [each.name for each, count in zip(job.manifest.classes, counts, strict=True) if not count]
    if empty:
        raise ManifestInvalid(
            f"No training image is at hand any more of: {', '.join(empty)} (purged or unreadable since the snapshot)."
            " Start a new run: today's snapshot has other images, or leaves the class out."
        )
