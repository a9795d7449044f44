"""Whatever the work does, its run ends in a plain state with a reason."""

from __future__ import annotations

import threading

import pytest

from app.core.database import write
from app.core.errors import InvalidInput
from app.runs import service
from app.runs.models import RunState
from tests.factories.runs import any_project, queued_run, reread
from worker.execution import RunContext, execute_run

pytestmark = pytest.mark.usefixtures("installation")


def _finish(context: RunContext) -> None:
    with write() as session:
        context.complete(session, {"images": 2})


def test_work_that_completes_succeeds_once_however_often_it_is_delivered():
    run_id = queued_run()
    done: list[int] = []

    def work(context: RunContext) -> None:
        done.append(context.run_id)
        _finish(context)

    execute_run(run_id, work)
    execute_run(run_id, work)
    assert done == [run_id]
    assert (reread(run_id).state, reread(run_id).result) == (RunState.SUCCEEDED, {"images": 2})


def test_a_typed_error_becomes_the_reason_people_read():
    run_id = queued_run()

    def work(_: RunContext) -> None:
        raise InvalidInput("a snapshot needs at least two classes; received one")

    execute_run(run_id, work)
    stored = reread(run_id)
    assert (stored.state, stored.error_code) == (RunState.FAILED, "invalid")
    assert stored.error_message == "a snapshot needs at least two classes; received one"


def test_an_unexpected_error_fails_the_run_without_showing_its_text():
    run_id = queued_run()

    def work(_: RunContext) -> None:
        raise KeyError("secret")

    execute_run(run_id, work)
    stored = reread(run_id)
    assert stored.state == RunState.FAILED
    assert "secret" not in (stored.error_message or "")


def test_work_that_forgets_to_complete_is_a_failure_not_a_success():
    run_id = queued_run()
    execute_run(run_id, lambda _: None)
    assert reread(run_id).state == RunState.FAILED


def test_cancel_ends_the_work_at_its_next_progress():
    run_id = queued_run()
    steps: list[int] = []

    def work(context: RunContext) -> None:
        with write() as session:
            service.request_cancel(session, run_id, any_project(session))
        context.beat()
        for step in range(100):
            steps.append(step)
            context.progress(step, 100)

    execute_run(run_id, work)
    assert steps == [0]
    assert reread(run_id).state == RunState.CANCELLED


def test_a_worker_asked_to_end_gives_its_run_back():
    run_id = queued_run()

    def work(_: RunContext) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        execute_run(run_id, work)
    stored = reread(run_id)
    assert (stored.state, stored.attempt) == (RunState.QUEUED, 1)


def test_the_heartbeat_ends_with_the_work():
    execute_run(queued_run(), _finish)
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}
