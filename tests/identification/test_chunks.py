"""Several worker processes share one job by chunks; one that is killed costs its chunk, and nothing differs after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from app.core.database import read, write
from app.core.settings import get_settings
from app.embeddings.models import Embedding
from app.identification.assisting import KIND as ASSIST
from app.identification.assisting import assist
from app.identification.chunk_models import Chunk, ChunkPlan
from app.identification.chunks import Holder, claim_part, finish, lay_out, note_dealt, open_plan, sums
from app.identification.schemas import Selection
from app.identification.waiting import Waiting, highest_id
from app.identification.work import identify
from app.predictions.models import Prediction
from app.predictions.scoring import Scored
from app.predictions.service import open_job
from app.runs.claims import claim, sweep
from app.runs.models import Run, RunState
from app.runs.service import request_cancel, request_run, resume
from tests.factories.predictions import photo_images, run_now
from tests.factories.registry import tiny_version
from tests.factories.runs import any_project, queued_run, reread
from tests.identification.chunk_worker import identify_in_small_chunks
from worker.execution import execute_run

pytestmark = pytest.mark.usefixtures("installation")
KIND = "identification.identify"
NAMES = [f"class {number}" for number in range(20)]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


@contextmanager
def workers(count: int, gate: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that take up identifications and assistance, as Celery's do; each waits in a chunk for the gate."""
    environment = {**os.environ, "WINNOW_IDENTIFY_WORKERS": str(count), "WINNOW_INFERENCE_THREADS": "1"}
    command = [sys.executable, "-m", "tests.identification.chunk_worker", str(gate)]
    started = [
        subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    try:
        for each in started:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def wait_until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def predictions_of(job_id: int) -> list[tuple[object, ...]]:
    columns = [column for column in Prediction.__table__.columns if column.name != "job_id"]
    with read() as session:
        rows = session.execute(select(*columns).where(Prediction.job_id == job_id).order_by(Prediction.image_id)).all()
    return [tuple(row) for row in rows]


def chunks_in_hand(run_id: int) -> dict[int, int]:
    """By the run that has claimed it: the number of each chunk that is under way."""
    with read() as session:
        rows = session.execute(
            select(Chunk.claimed_by, Chunk.number).where(
                Chunk.run_id == run_id, Chunk.done_at.is_(None), Chunk.claimed_by.is_not(None)
            )
        )
        return {held_by: number for held_by, number in rows if held_by}


def kill(run_id: int, started: list[subprocess.Popen[str]]) -> None:
    process_id = int((reread(run_id).worker or "").rpartition(":")[2])
    os.kill(process_id, signal.SIGKILL)
    next(each for each in started if each.pid == process_id).wait()


def test_of_three_processes_two_are_killed_and_nothing_differs_from_an_undisturbed_one(project_id: int, tmp_path: Path):
    photo_images(project_id, 100)
    version = tiny_version(project_id, NAMES)
    parameters = {"version_id": version.id, "selection": {"kind": "pool"}}
    alone = run_now(project_id, KIND, parameters, identify_in_small_chunks)
    with write() as session:
        session.execute(delete(Embedding))
    with workers(3, tmp_path / "gate") as started:
        with write() as session:
            run_id = request_run(session, project_id=project_id, kind=KIND, title="Identify", parameters=parameters)
        wait_until(lambda: len(chunks_in_hand(run_id)) == 3)
        assert len(set(chunks_in_hand(run_id).values())) == 3
        for victim in (run_id, max(chunks_in_hand(run_id))):
            kill(victim, started)
        (tmp_path / "gate").touch()
        wait_until(lambda: sweep() == 0 and reread(run_id).state == RunState.SUCCEEDED and not open_assistants())
    together = reread(run_id)
    assert (together.attempt, together.result["images"], together.result["embedded"]) == (1, 100, 100)
    assert predictions_of(together.result["job_id"]) == predictions_of(alone.result["job_id"])
    with read() as session:
        assert session.scalar(select(func.count()).select_from(Chunk)) == 0
        assert session.scalar(select(func.count()).select_from(Embedding)) == 100


def open_assistants() -> list[int]:
    with read() as session:
        live = (Run.kind == ASSIST, Run.state.in_((RunState.QUEUED, RunState.RUNNING)))
        return list(session.scalars(select(Run.id).where(*live)))


def laid_out(project_id: int, image_count: int = 40) -> tuple[int, int]:
    """(run, job) of an identification whose chunks of 8 images are laid out, and nobody is at it."""
    photo_images(project_id, image_count)
    version = tiny_version(project_id, NAMES)
    run_id = queued_run(parameters={"version_id": version.id})
    with write() as session:
        job_id = open_job(
            session, project_id=project_id, run_id=run_id, version_id=version.id, purpose="identification"
        )
        plan = open_plan(session, run_id, job_id, ids_per_range=4)
    waiting = Waiting(Selection(kind="pool"), project_id=project_id, job_id=job_id)
    lay_out(plan, waiting, until=highest_id(project_id), images_per_chunk=8)
    return run_id, job_id


def test_chunks_are_whole_ranges_that_cover_the_selection_once(project_id: int):
    run_id, _ = laid_out(project_id)
    with read() as session:
        chunks = session.scalars(select(Chunk).where(Chunk.run_id == run_id).order_by(Chunk.number)).all()
        plan = session.get_one(ChunkPlan, run_id)
        ids = set(session.scalars(select(Prediction.image_id)))
    assert ids == set()
    assert plan.images == sum(each.images for each in chunks) == 40
    assert plan.laid_out_at is not None
    for before, after in pairwise(chunks):
        assert before.last_id < after.first_id
        assert (before.last_id + 1) % 4 == 0


def test_a_claim_holds_as_long_as_the_lease_of_its_run_and_fences_who_lost_it(project_id: int):
    run_id, _ = laid_out(project_id)
    first, second = queued_run(title="first"), queued_run(title="second")
    for each in (run_id, first, second):
        assert claim(each) is not None
    part = claim_part(run_id, Holder(first, 0))
    other = claim_part(run_id, Holder(second, 0))
    assert part is not None
    assert other is not None
    assert part.number != other.number
    with write() as session:
        session.execute(update(Run).where(Run.id == first).values(attempt=1))
    again = claim_part(run_id, Holder(second, 0))
    assert again == part
    with write() as session:
        assert not note_dealt(session, part, Holder(first, 0), 3)
        assert not finish(session, part, Holder(first, 0), Scored(), 1.0)
        assert finish(session, part, Holder(second, 0), Scored(images=8), 1.0)
        assert not finish(session, part, Holder(second, 0), Scored(images=8), 1.0)
        assert sums(session, run_id).scored == 8


def test_an_assistant_helps_only_while_it_is_wanted_and_is_cancelled_when_nobody_takes_it_up(
    project_id: int, monkeypatch: pytest.MonkeyPatch
):
    run_id, job_id = laid_out(project_id)
    helper = run_now(project_id, ASSIST, {"run_id": run_id}, assist)
    assert (helper.result["chunks"], helper.result["gave_way"]) == (1, True)
    assert 0 < len(predictions_of(job_id)) == helper.result["images"] < 40
    execute_run(run_id, identify)
    assert reread(run_id).result["scored_now"] == 40
    assert len(predictions_of(job_id)) == 40
    late = run_now(project_id, ASSIST, {"run_id": run_id}, assist)
    assert (late.state, late.result["chunks"]) == (RunState.SUCCEEDED, 0)

    monkeypatch.setenv("WINNOW_IDENTIFY_WORKERS", "3")
    get_settings.cache_clear()
    version = tiny_version(project_id, NAMES, seed=1)
    alone = run_now(project_id, KIND, {"version_id": version.id}, identify_in_small_chunks)
    assert alone.state == RunState.SUCCEEDED
    with read() as session:
        states = session.scalars(select(Run.state).where(Run.fingerprint == f"{ASSIST}:{alone.id}")).all()
    assert states == [RunState.CANCELLED] * 2


def test_a_cancelled_job_goes_on_with_the_chunks_it_lacks(project_id: int):
    run_id, job_id = laid_out(project_id)
    run_now(project_id, ASSIST, {"run_id": run_id}, assist)
    with write() as session:
        request_cancel(session, run_id, project_id)
    helper = run_now(project_id, ASSIST, {"run_id": run_id}, assist)
    assert helper.result["chunks"] == 0
    assert 0 < len(predictions_of(job_id)) < 40
    with write() as session:
        resume(session, run_id, project_id)
    execute_run(run_id, identify)
    assert reread(run_id).result["images"] == 40
