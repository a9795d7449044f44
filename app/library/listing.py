"""The files of an import, listed lazily and always in the same order, and the label that a folder gives.

A listing never opens a picture: it yields entries, each with a way to open it. Names are labels only; nothing here
turns a name from an archive or a browser into a path.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol

MAX_NAME: Final = 1024
MAX_CLASS_NAME: Final = 200
_JUNK: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db"})
_DRIVE: Final = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class FileLabel:
    """What an import says of a file beside its bytes."""

    class_name: str | None = None
    sub_class_name: str | None = None
    group: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to import. `open` gives its bytes as a stream."""

    name: str
    open: Callable[[], BinaryIO]
    size: int | None = None
    """Bytes, where the source knows them without opening."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not even tried, and why."""

    name: str
    reason: str


class Source(Protocol):
    """Where the files of an import lie."""

    @property
    def readers(self) -> int:
        """How many files are best read at a time: more where each one waits for a network."""

    def files(self) -> Iterator[Entry | Skipped]:
        """Every file in a fixed order; names are relative, with forward slashes, and distinct."""

    def close(self) -> None:
        """Give back what is held open."""


def is_junk(name: str) -> bool:
    """Whether a system left this file behind, so that nobody meant to import it."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].lower() in _JUNK or parts[-1].startswith("._")


def safe_name(name: str) -> str | None:
    """A name from outside, with forward slashes and no control characters; None if it tries to lead elsewhere."""
    flat = "".join(c for c in name.replace("\\", "/") if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    parts = flat.split("/")
    if not flat or len(flat) > MAX_NAME or flat.startswith("/") or _DRIVE.match(flat) or ".." in parts:
        return None
    return "/".join(part for part in parts if part not in ("", ".")) or None


def class_word(word: str | None) -> str | None:
    """A class name as it is stored: composed Unicode, no control characters, spaces joined; None where none is left."""
    composed = unicodedata.normalize("NFC", word or "")
    printable = "".join(" " if unicodedata.category(c).startswith("C") else c for c in composed)
    return " ".join(printable.split())[:MAX_CLASS_NAME].strip() or None


def label_from_folders(name: str) -> FileLabel:
    """Class and sub-class from the first and second folder of a name; deeper folders say no more."""
    words = [class_word(folder) for folder in name.split("/")[:-1]] + [None, None]
    return FileLabel(words[0], words[1])


def no_label(name: str) -> FileLabel:  # noqa: ARG001 - takes what label_from_folders takes
    """Files for the pool."""
    return FileLabel()


class FolderSource:
    """A folder on this machine. Links are not followed; what is no regular file is skipped."""

    readers = 1

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def files(self) -> Iterator[Entry | Skipped]:
        """Every file below the folder, by name within each folder."""
        for folder, folders, names in os.walk(self.root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                relative = _printable(path.relative_to(self.root).as_posix())
                if is_junk(relative):
                    continue
                size = _regular_size(path)
                yield (
                    Entry(relative, partial(open_regular, path), size)
                    if size is not None
                    else Skipped(relative, "links and special files are not followed")
                )

    def close(self) -> None:
        """Nothing is held open."""


def open_regular(path: Path) -> BinaryIO:
    """Open without following a link and without waiting, should one have been put there since the listing."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _regular_size(path: Path) -> int | None:
    """Bytes of a regular file; None for anything else."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _printable(name: str) -> str:
    """A file name that is not UTF-8 on disk, as text that can be stored."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
