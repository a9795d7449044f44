"""Images to scores by one version: embeddings cached or computed, then the head.

Shared by evaluation and identification. Scores come from the stored float16 embeddings, also when those were computed a
moment ago. A last bit of a BLAS product depends on the other rows of the matrix and on a row's place among them, so
a product is always over the asked images of one range of ids: done again, it gives the same values, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.core.database import read
from app.embeddings.store import read_embeddings
from app.embeddings.work import ROWS_PER_SHARD, embed_missing
from app.registry.artifacts import LoadedVersion, load_version

IDS_PER_CHUNK: Final = 1000


@dataclass
class Scored:
    """What `score_images` did: images scored, embeddings computed for it, images that gave no pixels."""

    images: int = 0
    embedded: int = 0
    unreadable: list[int] = field(default_factory=list)
    is_complete: bool = True


def score_images(
    version_id: int,
    image_ids: Iterable[int],
    *,
    on_chunk: Callable[[list[int], NDArray[np.float32]], None],
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[int], None] | None = None,
    ids_per_chunk: int = IDS_PER_CHUNK,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Scored:
    """Score images by ascending id, consumed as a stream; memory stays bounded.

    `on_chunk(ids, scores)` gets up to `ids_per_chunk` ids with their confidences float32 (N, C), each row summing to 1,
    columns in the order of the version's class list; images that give no pixels are left out. Work that can be resumed
    stores a chunk in one transaction: then a resumed run asks for whole ranges again. `should_stop` is asked between
    batches; `on_progress` gets the number of images dealt with so far, those being embedded included. What the
    callbacks raise ends the work. Raises NotFound, Unavailable, EngineError, EmbeddingRefused.
    """
    version = load_version(version_id)
    done = Scored()
    deal_out(
        version,
        image_ids,
        done,
        lambda chunk: _score_chunk(version, chunk, done, on_chunk),
        should_stop=should_stop,
        on_progress=on_progress,
        ids_per_chunk=ids_per_chunk,
        rows_per_shard=rows_per_shard,
    )
    return done


def deal_out(
    version: LoadedVersion,
    image_ids: Iterable[int],
    done: Scored,
    put: Callable[[list[list[int]]], None],
    *,
    should_stop: Callable[[], bool] | None,
    on_progress: Callable[[int], None] | None,
    ids_per_chunk: int,
    rows_per_shard: int,
) -> None:
    """Embed what lacks an embedding, a shard's worth at a time, and `put` the chunks of ranges that can be scored.

    `done` is told what was embedded, and whether all was put.
    """
    dealt = 0

    def tell(settled: int) -> None:
        if on_progress is not None:
            on_progress(dealt + settled)

    for page in together(in_ranges(image_ids, ids_per_chunk), rows_per_shard):
        ids = [image_id for wanted in page for image_id in wanted]
        embedded = embed_missing(
            version.trunk, ids, on_progress=tell, should_stop=should_stop, rows_per_shard=rows_per_shard
        )
        done.embedded += embedded.computed
        done.is_complete = embedded.is_complete
        for chunk in together(page, ids_per_chunk):
            if not done.is_complete or (should_stop is not None and should_stop()):
                done.is_complete = False
                return
            put(chunk)
        dealt += len(ids)
        tell(0)


def in_ranges(image_ids: Iterable[int], ids_per_chunk: int) -> Iterator[list[int]]:
    """The ids by range: 0 to 999, 1000 to 1999 and so on."""
    for _, ids in groupby(image_ids, key=lambda image_id: image_id // ids_per_chunk):
        yield list(dict.fromkeys(ids))


def together(ranges: Iterable[list[int]], limit: int) -> Iterator[list[list[int]]]:
    """Whole ranges together, up to `limit` ids: a thin selection does not become many small steps."""
    gathered: list[list[int]] = []
    for ids in ranges:
        if gathered and sum(map(len, gathered)) + len(ids) > limit:
            yield gathered
            gathered = []
        gathered.append(ids)
    if gathered:
        yield gathered


def _score_chunk(
    version: LoadedVersion,
    ranges: list[list[int]],
    done: Scored,
    on_chunk: Callable[[list[int], NDArray[np.float32]], None],
) -> None:
    ids: list[int] = []
    scores: list[NDArray[np.float32]] = []
    for wanted in ranges:
        with read() as session:
            found, embeddings = read_embeddings(session, version.trunk.ref.id, wanted)
        done.unreadable += sorted(set(wanted) - set(found))
        if found:
            ids += found
            scores.append(version.head.scores(embeddings))
    done.images += len(ids)
    if ids:
        on_chunk(ids, np.concatenate(scores))
