"""Images to compact rows by one version, as identification wants them: embeddings are read, multiplied and stored.

This thread reads, as many as there are cores multiply, one stores: at the same time. What is under way is bounded, so
memory is the same for ten thousand images and for ten million. A value is the same however often the work is
interrupted and however many cores there are: a product is over the asked images of one range of ids, by one thread of
BLAS.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.core.database import get_engine, read
from app.core.settings import get_settings
from app.embeddings.shards import to_single
from app.embeddings.store import read_halves
from app.embeddings.work import ROWS_PER_SHARD
from app.inference.ranking import answers_from
from app.predictions.rows import KEPT_CLASSES, CompactRows
from app.predictions.scoring import IDS_PER_CHUNK, Scored, deal_out
from app.registry.artifacts import LoadedVersion, load_version

_UNDER_WAY_PER_CORE: Final = 2

OnRows = Callable[[CompactRows], None]


def answer_images(
    version_id: int,
    image_ids: Iterable[int],
    *,
    on_rows: OnRows,
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[int], None] | None = None,
    ids_per_chunk: int = IDS_PER_CHUNK,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Scored:
    """Answer for images by ascending id, consumed as a stream; what has no embedding is embedded first.

    `on_rows` gets the rows of up to `ids_per_chunk` images, chunk after chunk, in a thread of its own; work that can be
    resumed stores a chunk in one transaction. The rest is as `score_images` has it, but that `on_progress` counts what
    is under way too. What a callback raises ends the work. Raises NotFound, Unavailable, EngineError, EmbeddingRefused.
    """
    version = load_version(version_id)
    done = Scored()
    with _Line(version, on_rows, done) as line:
        deal_out(
            version,
            image_ids,
            done,
            line.put,
            should_stop=should_stop,
            on_progress=on_progress,
            ids_per_chunk=ids_per_chunk,
            rows_per_shard=rows_per_shard,
        )
    return done


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """The embeddings of one range of ids."""

    image_ids: list[int]
    halves: NDArray[np.float16]


class _Line:
    """Chunks on their way to the store, in order. Leaving it waits for all of them; after a fault, for those begun."""

    def __init__(self, version: LoadedVersion, on_rows: OnRows, done: Scored) -> None:
        self._version, self._on_rows, self._done = version, on_rows, done
        self._class_ids = np.asarray(version.class_ids, dtype=np.int64)
        cores = get_settings().inference_threads or _cores()
        self._most = _UNDER_WAY_PER_CORE * cores
        self._multiplying = ThreadPoolExecutor(cores, thread_name_prefix="multiply")
        self._storing = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._under_way: deque[Future[None]] = deque()
        self._one_thread = threadpool_limits(1, user_api="blas")
        # On SQLite one writes at a time: who holds the lock so long leaves it as long to others.
        self._has_one_writer = get_engine().dialect.name == "sqlite"
        self._free_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        try:
            while self._under_way and kind is None:
                self._under_way.popleft().result()
        finally:
            self._storing.shutdown(cancel_futures=True)
            self._multiplying.shutdown(cancel_futures=True)
            self._one_thread.restore_original_limits()

    def put(self, ranges: list[list[int]]) -> None:
        """Send a chunk on its way; waits while enough are under way. Raises what storing an earlier one raised."""
        blocks: list[_Block] = []
        with read() as session:
            for wanted in ranges:
                found, halves = read_halves(session, self._version.trunk.ref, wanted)
                self._done.unreadable += sorted(set(wanted) - set(found))
                if found:
                    blocks.append(_Block(found, halves))
        if not blocks:
            return
        rows = self._multiplying.submit(self._answer, blocks)
        self._under_way.append(self._storing.submit(self._store, rows))
        while len(self._under_way) >= self._most:
            self._under_way.popleft().result()

    def _answer(self, blocks: list[_Block]) -> CompactRows:
        head = self._version.head
        parts = [
            answers_from(head.logits(to_single(block.halves)), KEPT_CLASSES, temperature=head.temperature)
            for block in blocks
        ]
        return CompactRows(
            np.asarray([image_id for block in blocks for image_id in block.image_ids], dtype=np.int64),
            self._class_ids[np.concatenate([part.indices for part in parts])],
            np.concatenate([part.confidences for part in parts]),
            np.concatenate([part.margins for part in parts]),
            np.concatenate([part.entropies for part in parts]),
        )

    def _store(self, rows: Future[CompactRows]) -> None:
        answered = rows.result()
        time.sleep(max(0.0, self._free_at - time.monotonic()))
        began = time.monotonic()
        self._on_rows(answered)
        if self._has_one_writer:
            self._free_at = 2 * time.monotonic() - began
        self._done.images += len(answered)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
