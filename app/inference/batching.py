"""Reading, decoding, inference and writing at once, with a bounded number of images in memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.inference.engine import DEFAULT_BATCH, TrunkEngine

K = TypeVar("K")
S = TypeVar("S")


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
    batch: int = DEFAULT_BATCH,
    decode_threads: int = 2,
    ahead: int = 4,
) -> Generator[EmbeddedBatch[K], None, None]:
    """Embed a stream of (key, source) in its order, `batch` at a time.

    `read` is consumed in the caller's thread (so it may use the caller's database session); `decode` turns a
    source into pixels uint8 (S, S, 3), or None where it cannot be read, in `decode_threads` threads; one more
    thread infers. Up to `ahead` batches are under way while the caller works on the one it got. What
    `decode`, `read` or the engine raise reaches the caller. Closing the iterator ends the threads.
    """
    sources = iter(read)
    decoders = ThreadPoolExecutor(decode_threads, thread_name_prefix="pixels")
    inference = ThreadPoolExecutor(1, thread_name_prefix="inference")
    under_way: deque[Future[EmbeddedBatch[K]]] = deque()
    try:
        while chunk := list(islice(sources, batch)):
            keys = [key for key, _ in chunk]
            pixels = [decoders.submit(decode, source) for _, source in chunk]
            under_way.append(inference.submit(_embed, engine, keys, pixels, batch))
            if len(under_way) > ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        inference.shutdown(wait=False, cancel_futures=True)
        decoders.shutdown(wait=False, cancel_futures=True)
        inference.shutdown(wait=True)
        decoders.shutdown(wait=True)


def _embed(
    engine: TrunkEngine, keys: list[K], pixels: list[Future[NDArray[np.uint8] | None]], batch: int
) -> EmbeddedBatch[K]:
    decoded = [(key, image) for key, future in zip(keys, pixels, strict=True) for image in [future.result()]]
    readable = [(key, image) for key, image in decoded if image is not None]
    embeddings = np.empty((0, engine.width), dtype=np.float32)
    if readable:
        images = [image for _, image in readable]
        # ONNX Runtime multiplies a single row by another kernel, whose last bits differ; alone, an image goes twice.
        stacked = np.stack(images if len(images) > 1 else images * 2)
        embeddings = engine.embed(stacked, batch=max(batch, 2))[: len(images)]
    unreadable = [key for key, image in decoded if image is None]
    return EmbeddedBatch([key for key, _ in readable], embeddings, unreadable)
