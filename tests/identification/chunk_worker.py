"""A process that takes up identifications and assistance, as Celery's workers do, in small chunks: for tests.

`python chunk_worker.py GATE`: until the file GATE exists, whoever has a chunk in hand waits in it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from app.assembly import fields, following  # noqa: F401 - as every worker does
from app.core.database import read
from app.identification.assisting import assist
from app.identification.work import identify
from app.runs.models import Run, RunState
from worker.execution import RunContext, execute_run

SMALL = {"ids_per_chunk": 8, "rows_per_shard": 8, "images_per_chunk": 8}


def identify_in_small_chunks(context: RunContext) -> None:
    """An identification of many chunks, however few its images are."""
    identify(context, **SMALL)


def gated(work: Callable[[RunContext], None], gate: Path) -> Callable[[RunContext], None]:
    """The work, which waits for the gate as soon as it tells that something of a chunk is done."""

    def do(context: RunContext) -> None:
        tell = context.progress

        def progress(done: int, total: int, note: str = "", **live: object) -> None:
            while done and not gate.exists():
                time.sleep(0.02)
            tell(done, total, note, **live)

        context.progress = progress  # type: ignore[method-assign]
        work(context)

    return do


def main(gate: Path) -> None:
    """Take up runs for ever."""
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    while True:
        with read() as session:
            is_ours = (Run.state == RunState.QUEUED, Run.kind.like("identification.%"))
            waiting = session.execute(select(Run.id, Run.kind).where(*is_ours).order_by(Run.id)).all()
        for run_id, kind in waiting:
            execute_run(run_id, gated(assist if kind.endswith("assist") else identify_in_small_chunks, gate))
        time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
