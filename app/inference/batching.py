"""Reading, decoding, inference and writing at once, with a bounded number of images in memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from threading import BoundedSemaphore
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.inference.engine import TrunkEngine
from app.inference.plans import cores

K = TypeVar("K")
S = TypeVar("S")
_MORE_THREADS_THAN_CORES: Final = 1
"""So that a core has work while one thread waits for the interpreter or for its file."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedBatch(Generic[K]):
    """Part of a stream: `embeddings` float32 (len(keys), E); `unreadable` are the keys without pixels."""

    keys: list[K]
    embeddings: NDArray[np.float32]
    unreadable: list[K]


def embed_stream(
    read: Iterable[tuple[K, S]],
    engine: TrunkEngine,
    *,
    decode: Callable[[S], NDArray[np.uint8] | None],
    batch: int | None = None,
    threads: int | None = None,
    ahead: int = 4,
) -> Generator[EmbeddedBatch[K], None, None]:
    """Embed a stream of (key, source) in its order, `batch` at a time (None: the engine's own).

    `read` is consumed in the caller's thread (so it may use the caller's database session); `decode` turns a
    source into pixels uint8 (S, S, 3), or None where it cannot be read. Each of `threads` threads decodes a batch and
    infers it, so that pixels stay in one core's cache; the engine's own number of streams bounds how many infer at
    once. Up to `ahead` batches are under way while the caller works on the one it got. What `decode`, `read` or the
    engine raise reaches the caller. Closing the iterator ends the threads.
    """
    sources = iter(read)
    step = batch or engine.plan.batch
    workers = ThreadPoolExecutor(threads or cores() + _MORE_THREADS_THAN_CORES, thread_name_prefix="embed")
    streams = BoundedSemaphore(max(1, engine.plan.streams))
    under_way: deque[Future[EmbeddedBatch[K]]] = deque()
    try:
        while chunk := list(islice(sources, step)):
            under_way.append(workers.submit(_embed, engine, chunk, decode, streams, step))
            if len(under_way) > ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        workers.shutdown(wait=True, cancel_futures=True)


def _embed(
    engine: TrunkEngine,
    chunk: list[tuple[K, S]],
    decode: Callable[[S], NDArray[np.uint8] | None],
    streams: BoundedSemaphore,
    batch: int,
) -> EmbeddedBatch[K]:
    decoded = [(key, decode(source)) for key, source in chunk]
    readable = [(key, image) for key, image in decoded if image is not None]
    embeddings = np.empty((0, engine.width), dtype=np.float32)
    if readable:
        images = [image for _, image in readable]
        # ONNX Runtime multiplies a single row by another kernel, whose last bits differ; alone, an image goes twice.
        stacked = np.stack(images if len(images) > 1 else images * 2)
        with streams:
            embeddings = engine.embed(stacked, batch=max(batch, 2))[: len(images)]
    unreadable = [key for key, image in decoded if image is None]
    return EmbeddedBatch([key for key, _ in readable], embeddings, unreadable)
