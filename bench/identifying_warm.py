"""One identification of an embedded pool in a process of its own, so that its memory is its own.

Called as `identifying_warm.py PROJECT VERSION`. Prints one JSON object: images, seconds, peak_gib. The time is that of
the whole run: chunks laid out, embeddings read, scores, top 5, rows, kept counts, indexes, the run marked as ended.
"""

from __future__ import annotations

import json
import sys
import time

from identifying import peak_gib

from app.assembly import following as _followers  # noqa: F401 - as every process of the product does
from app.core.database import read, write
from app.identification.schemas import Selection
from app.identification.service import request_identification
from app.identification.work import identify
from app.registry.artifacts import load_version
from app.runs.service import get_run
from worker.execution import execute_run


def main(project_id: int, version_id: int) -> None:
    """Identify the pool once, from its embeddings."""
    load_version(version_id)
    with write() as session:
        run_id = request_identification(
            session, project_id=project_id, version_id=version_id, selection=Selection(kind="pool")
        )
    began = time.perf_counter()
    execute_run(run_id, identify)
    seconds = time.perf_counter() - began
    with read() as session:
        run = get_run(session, run_id, project_id)
    if run.result is None or run.result["embedded"]:
        raise SystemExit(f"the identification did not take every embedding as it was: {run.state}, {run.result}")
    print(json.dumps({"images": run.result["images"], "seconds": seconds, "peak_gib": peak_gib()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
