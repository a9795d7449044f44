"""One throw-away loop in a process of its own: from the request to the candidates, as web and workers do it.

Called as `looping.py PROJECT PARENT UPPER`. Prints one JSON object: seconds by step, and what was found. The clock runs
from the request on; TensorFlow is not loaded before, as in a worker's child.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from app.cli.waiting import follow_ups_of
from app.core.database import read
from app.evaluation.work import evaluate
from app.identification.work import identify
from app.runs.models import Run, RunState
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from worker.execution import RunContext, execute_run

Work = Callable[[RunContext], None]


def _train(context: RunContext) -> None:
    from worker.tasks.training_steps import train_version

    train_version(context)


WORK: Final[dict[str, Work]] = {
    "training.train": _train,
    "evaluation.evaluate": evaluate,
    "identification.identify": identify,
}
"""What a throw-away loop consists of, by kind of run."""


def run_to_end(run_id: int) -> dict[str, Run]:
    """Do a run and those that follow it, here; the runs by kind, as they ended. Raises SystemExit where one fails."""
    done: dict[str, Run] = {}
    waiting = [run_id]
    while waiting:
        run_id = waiting.pop(0)
        with read() as session:
            kind = session.get_one(Run, run_id).kind
        if kind not in WORK:  # What others ask for besides, such as a notice.
            continue
        execute_run(run_id, WORK[kind])
        with read() as session:
            run = done[kind] = session.get_one(Run, run_id)
        if run.state != RunState.SUCCEEDED:
            raise SystemExit(f"{kind} ended as {run.state}: {run.error_message}")
        waiting += follow_ups_of(run_id)
    return done


def main(project_id: int, parent_id: int, upper: int) -> None:
    """Time the loop, step by step."""
    began = time.perf_counter()
    asked: dict[str, Any] = {"project_id": project_id, "purpose": "throwaway", "start": "head_only", "upper": upper}
    run_id = start_training(TrainingRequest(**asked, parent_version_id=parent_id))
    requested = time.perf_counter() - began
    runs = run_to_end(run_id)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    steps = {kind: (run.finished_at - run.started_at).total_seconds() for kind, run in runs.items() if run.started_at}
    found = {kind: run.result for kind, run in runs.items()}
    told = {"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "request": requested, "steps": steps}
    print(json.dumps(told | {"results": found}))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
