"""Computing what is missing: read, decode, infer and write at once, each finished chunk committed.

Memory is bounded whatever the number of images: a shard being filled, one being written, and some batches of pixels.
A kill costs the chunk in hand. Repeating, resuming, or two workers on the same images end alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from app.core.database import Json, read, write
from app.core.errors import Conflict, NotFound
from app.core.storage import get_storage
from app.embeddings.queries import library_ids, library_size
from app.embeddings.store import Source, add, missing, sweep_orphans
from app.imaging.errors import Undecodable
from app.imaging.model_input import to_pixels
from app.inference.batching import embed_stream
from app.registry.artifacts import LoadedTrunk, load_trunk
from app.registry.queries import reference_trunk
from app.runs.context import RunContext

ROWS_PER_SHARD: Final = 4096
SECONDS_PER_SHARD: Final = 30.0


@dataclass
class Embedded:
    """What `embed_missing` did: images computed, those at hand before, those whose rendition gave no pixels."""

    computed: int = 0
    at_hand: int = 0
    unreadable: list[int] = field(default_factory=list)
    is_complete: bool = True

    @property
    def settled(self) -> int:
        """Images that are done with."""
        return self.computed + self.at_hand + len(self.unreadable)


def embed_missing(
    trunk: LoadedTrunk,
    image_ids: Iterable[int],
    *,
    on_progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Embedded:
    """Embed those of `image_ids` (consumed as a stream) that have no embedding by this trunk.

    `on_progress` gets how many images are settled so far, after each batch; what it raises ends the work.
    `should_stop` is asked after each batch; what was computed by then is kept.
    """
    done = Embedded()
    sources = _sources(trunk, image_ids, done)
    with (
        _Shards(trunk, done) as shards,
        closing(embed_stream(sources, trunk.bulk_engine, decode=_decoder(trunk.ref.input_size))) as batches,
    ):
        for batch in batches:
            shards.add([(source.image_id, source.rotation) for source in batch.keys], batch.embeddings)
            done.unreadable += [source.image_id for source in batch.unreadable]
            if shards.rows >= rows_per_shard or shards.seconds > SECONDS_PER_SHARD:
                shards.close_one()
            if on_progress is not None:
                on_progress(done.settled + shards.rows)
            if should_stop is not None and should_stop():
                done.is_complete = False
                break
    return done


class _Shards:
    """Rows gathered into shards. A full one is written in a thread of its own while the next fills up.

    Leaving it writes the rest and waits; what writing raises, the next call raises. After a fault only what was begun
    is written.
    """

    def __init__(self, trunk: LoadedTrunk, done: Embedded) -> None:
        self._trunk, self._done = trunk, done
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="shards")
        self._writing: Future[None] | None = None
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: object) -> None:
        try:
            if kind is None:
                self.close_one()
                self._wait()
        finally:
            self._writer.shutdown(wait=True)

    @property
    def seconds(self) -> float:
        """Since the shard in hand was begun."""
        return time.monotonic() - self._began

    def add(self, keys: list[tuple[int, int]], embeddings: NDArray[np.float32]) -> None:
        """Take a batch in; `keys` are (image_id, rotation)."""
        self._keys += keys
        self._parts.append(embeddings)
        self.rows += len(keys)

    def close_one(self) -> None:
        """Send the shard in hand to the writer, after the one before it."""
        self._wait()
        if self._keys:
            self._writing = self._writer.submit(add, self._trunk.ref, self._keys, np.concatenate(self._parts))
            self._done.computed += len(self._keys)
        self._start()

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _start(self) -> None:
        self._keys: list[tuple[int, int]] = []
        self._parts: list[NDArray[np.float32]] = []
        self.rows = 0
        self._began = time.monotonic()


def _sources(trunk: LoadedTrunk, image_ids: Iterable[int], done: Embedded) -> Iterator[tuple[Source, Source]]:
    """What is missing, looked up page by page; images at hand or without a rendition are counted on the way."""
    ids = iter(image_ids)
    while page := list(dict.fromkeys(islice(ids, ROWS_PER_SHARD))):
        with read() as session:
            wanted = missing(session, trunk.ref.id, page)
        done.at_hand += len(page) - len(wanted)
        yield from ((source, source) for source in wanted)


def _decoder(size: int) -> Callable[[Source], NDArray[np.uint8] | None]:
    storage = get_storage()

    def decode(source: Source) -> NDArray[np.uint8] | None:
        try:
            return to_pixels(storage.get_rendition(source.place), size=size, rotation=source.rotation)
        except (NotFound, Undecodable):
            return None

    return decode


def embed_library(context: RunContext) -> None:
    """The run kind `embeddings.embed`: the whole library by the trunk asked for, or else the reference trunk."""
    with read() as session:
        reference = reference_trunk(session, context.project_id)
        total = library_size(session, context.project_id)
    trunk_id = context.parameters.get("trunk_id") or (reference.id if reference else None)
    if trunk_id is None:
        raise Conflict("this project has no reference trunk yet; it gets one with its first pretrained version")
    done = embed_missing(
        load_trunk(trunk_id),
        library_ids(context.project_id),
        on_progress=lambda settled: context.progress(settled, total, "Embedding"),
        should_stop=lambda: context.wants() is not None,
    )
    context.raise_if_cancelled()
    result: Json = {
        "trunk_id": trunk_id,
        "images": done.settled,
        "computed": done.computed,
        "unreadable": len(done.unreadable),
    }
    with write() as session:
        context.complete(session, result, stopped_early=not done.is_complete)
    sweep_orphans()
