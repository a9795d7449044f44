"""Identifying a pool that is embedded: scores, top 5 and rows in the database, against the bare matrix product.

Product: a whole identification run over stored float16 embeddings, in a process of its own, with its rows, kept counts
and indexes in SQLite, and in PostgreSQL where WINNOW_TEST_POSTGRES_SERVER names one. Baseline: the product of the same
shape by NumPy, over float32 rows that are at hand, in blocks that suit BLAS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from databases import SERVER, own_database
from embedded_pool import EmbeddedPool, make_embedded_pool
from measuring import Figure, Goal, Options, Outcome, in_turns, ratio, run_benchmark, settled_on

from app.core.migrations import migrate

ABOUT: Final = "Identification of an embedded pool against the bare matrix product."
WIDTH: Final = 1280
CLASSES: Final = 1500
BLOCK: Final = 8192


def measure(options: Options) -> Outcome:
    """Product and baseline in turns, on SQLite and then on PostgreSQL."""
    images = options.choose_photos(quick=100_000, full=1_000_000)
    rounds = options.choose_rounds(quick=2, full=3)
    figures: dict[str, Figure] = {}
    with TemporaryDirectory(prefix="winnow-bench-", dir=os.environ.get("TMPDIR")) as folder, ExitStack() as databases:
        figures |= _measure_place(Path(folder) / "sqlite", images, rounds, {})
        if os.environ.get(SERVER):
            url = databases.enter_context(own_database())
            found = _measure_place(Path(folder) / "postgresql", images, rounds, {"database_url": url})
            figures["postgresql_rows_per_s"] = found["rows_per_s"]
            figures["postgresql_over_matmul"] = found["over_matmul"]
            figures["peak_gib"] = max(figures["peak_gib"] or 0.0, found["peak_gib"] or 0.0)
    parameters = {
        "images": images,
        "width": WIDTH,
        "classes": CLASSES,
        "rounds": rounds,
        "product": "the whole run: scores, top 5, margin, entropy, rows, kept counts, indexes",
        "baseline": f"float32 blocks of {BLOCK} rows times the kernel, by NumPy on all cores",
    }
    return Outcome(parameters, figures, [Goal("over_matmul", figures["over_matmul"], "at most", 3.0)])


def _measure_place(data: Path, images: int, rounds: int, settings: dict[str, str]) -> dict[str, Figure]:
    with settled_on(data, **settings):
        migrate()
        pool = make_embedded_pool(images, width=WIDTH, classes=CLASSES)
        peaks: list[float] = []
        measured = in_turns(
            rounds,
            {"matmul": partial(_matmul_seconds, images), "product": partial(_product_seconds, pool, images, peaks)},
        )
    seconds = median(measured["product"])
    return {
        "matmul_s": median(measured["matmul"]),
        "product_s": seconds,
        "rows_per_s": images / seconds,
        "over_matmul": ratio(measured["product"], measured["matmul"]),
        "peak_gib": max(peaks),
    }


def _matmul_seconds(images: int) -> float:
    """Seconds of the products alone; four blocks in turn, so that no block is at hand in the cache."""
    random = np.random.default_rng(0)
    blocks = random.standard_normal((4, BLOCK, WIDTH), dtype=np.float32)
    kernel = random.standard_normal((WIDTH, CLASSES), dtype=np.float32)
    scores = np.empty((BLOCK, CLASSES), dtype=np.float32)
    began = time.perf_counter()
    for number, start in enumerate(range(0, images, BLOCK)):
        rows = blocks[number % len(blocks), : min(BLOCK, images - start)]
        np.matmul(rows, kernel, out=scores[: len(rows)])
    return time.perf_counter() - began


def _product_seconds(pool: EmbeddedPool, images: int, peaks: list[float]) -> float:
    script = Path(__file__).with_name("identifying_warm.py")
    command = [sys.executable, str(script), str(pool.project_id), str(pool.version_id)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["images"] != images:
        raise RuntimeError(f"{images} images were to be identified; {found['images']} were")
    peaks.append(found["peak_gib"])
    return float(found["seconds"])


if __name__ == "__main__":
    run_benchmark("identify_warm", measure, about=ABOUT)
