"""One identification of a pool in a process of its own, so that its memory is its own.

Called as `identifying.py PROJECT VERSION`. Prints one JSON object: images, seconds, processor_seconds, peak_gib.
Embeddings that are there are dropped first; the engine is warm.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from sqlalchemy import delete

from app.core.database import read, write
from app.embeddings.models import Embedding, EmbeddingShard
from app.identification.schemas import Selection
from app.identification.service import request_identification
from app.identification.work import identify
from app.registry.artifacts import load_version
from app.runs.service import get_run
from worker.execution import execute_run


def main(project_id: int, version_id: int) -> None:
    """Identify the pool once, cold."""
    engine = load_version(version_id).trunk.bulk_engine
    engine.embed(np.zeros((engine.plan.batch, engine.input_size, engine.input_size, 3), np.uint8))
    with write() as session:
        session.execute(delete(Embedding))
        session.execute(delete(EmbeddingShard))
        run_id = request_identification(
            session, project_id=project_id, version_id=version_id, selection=Selection(kind="pool")
        )
    began, computed = time.perf_counter(), time.process_time()
    execute_run(run_id, identify)
    seconds, computed = time.perf_counter() - began, time.process_time() - computed
    with read() as session:
        run = get_run(session, run_id, project_id)
    if run.result is None or run.result["embedded"] != run.result["images"]:
        raise SystemExit(f"the identification did not embed and score every image: {run.state}, {run.result}")
    found = {"images": run.result["images"], "seconds": seconds, "processor_seconds": computed, "peak_gib": peak_gib()}
    print(json.dumps(found))


def peak_gib() -> float:
    """The most memory that this process has held, GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what `getrusage` says on Linux may be the parent's
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(held.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
