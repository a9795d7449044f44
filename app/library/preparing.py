"""From bytes to what the library keeps of them: the original by digest, two renditions in packs, hashes and measures.

All of it happens before any transaction is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from app.core.blob_writer import BlobWriter
from app.core.settings import get_settings
from app.core.storage import PackWriter, digest_of, get_storage
from app.imaging.errors import Reason, Undecodable
from app.imaging.limits import Limits
from app.imaging.pool import DecodePool
from app.imaging.processing import Processed
from app.library.schemas import Places


@dataclass(frozen=True, slots=True)
class Content:
    """What one file holds. `content` is None where it is over the size cap: then only its digest is known."""

    content: bytes | None
    digest: str
    byte_count: int

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Bytes that are at hand."""
        return cls(content, digest_of(content), len(content))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What decoding gave: a picture and where its renditions lie, or the reason for quarantine."""

    processed: Processed | None = None
    places: Places | None = None
    undecodable: Undecodable | None = None


def size_limits() -> Limits:
    """The caps on one file, from the settings."""
    settings = get_settings()
    return Limits(max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)


class Preparer:
    """Decoding children, writing threads and a pack writer, kept open for many files. A context manager.

    Originals are on disk for good when `prepare` returns, also those that cannot be decoded.
    """

    def __init__(self) -> None:
        settings = get_settings()
        self._limits = size_limits()
        self._storage = get_storage()
        self._stack = ExitStack()
        self._blobs = self._stack.enter_context(closing(BlobWriter(self._storage)))
        self._packs = self._stack.enter_context(closing(PackWriter(self._storage)))
        self._pool = self._stack.enter_context(
            DecodePool(
                settings.decode_workers,
                settings.decode_memory_mib,
                settings.decode_seconds,
                limits=self._limits,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def prepare(self, contents: Sequence[Content]) -> dict[str, Prepared]:
        """Store and decode; the outcome by digest. Raises Unavailable where no decoding child can be started."""
        prepared = {c.digest: Prepared(undecodable=self._too_large(c)) for c in contents if c.content is None}
        whole = {c.digest: c.content for c in contents if c.content is not None}
        for digest, content in whole.items():
            self._blobs.add(digest, content)
        for digest, outcome in self._pool.process_many(whole.items()):
            prepared[digest] = (
                Prepared(undecodable=outcome)
                if isinstance(outcome, Undecodable)
                else Prepared(processed=outcome, places=self._place(outcome))
            )
        self._blobs.settle()
        self._packs.flush()
        return prepared

    def _place(self, picture: Processed) -> Places:
        return Places(self._packs.append(picture.thumbnail), self._packs.append(picture.rendition))

    def _too_large(self, content: Content) -> Undecodable:
        rule = f"An image file may have at most {self._limits.max_bytes:,} bytes"
        return Undecodable(Reason.TOO_MANY_BYTES, f"{rule}; this one has {content.byte_count:,}.")
