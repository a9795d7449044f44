"""A run is claimed once, ends once, and a worker that lost it writes nothing more."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.core.clock import now
from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput
from app.runs import claims, service
from app.runs.errors import LostLease
from app.runs.lifecycle import TRANSITIONS, change_state
from app.runs.models import Run, RunState, RunTransition
from app.runs.schemas import Claim, Progress
from tests.factories.runs import any_project, queued_run, reread

pytestmark = pytest.mark.usefixtures("installation")


def _transitions(run_id: int) -> list[tuple[str | None, str]]:
    with read() as session:
        rows = session.execute(
            select(RunTransition.from_state, RunTransition.to_state)
            .where(RunTransition.run_id == run_id)
            .order_by(RunTransition.id)
        )
        return [(row[0], row[1]) for row in rows]


def _write_and_complete(claimed: Claim) -> None:
    with write() as session:
        session.execute(update(Run).values(title="written by the loser"))
        claims.complete(session, claimed, result={})


def test_a_second_delivery_of_the_same_message_claims_nothing():
    run_id = queued_run()
    first, second = claims.claim(run_id), claims.claim(run_id)
    assert first is not None
    assert second is None
    assert _transitions(run_id) == [(None, "queued"), ("queued", "running")]


def test_a_message_for_a_run_that_does_not_exist_is_harmless():
    assert claims.claim(987_654) is None


def test_complete_ends_the_run_and_requests_what_follows_in_one_transaction():
    run_id = queued_run(
        follow_ups=[
            {"kind": "evaluation.evaluate", "title": "Evaluate", "parameters": {"version_id": "$result.version_id"}}
        ]
    )
    claimed = claims.claim(run_id)
    assert claimed is not None
    with write() as session:
        claims.complete(session, claimed, result={"version_id": 41})
    with read() as session:
        following = session.scalars(select(Run).where(Run.follows_run_id == run_id)).one()
        assert following.parameters == {"version_id": 41}
        assert following.state == RunState.QUEUED
    assert reread(run_id).state == RunState.SUCCEEDED


def test_a_worker_that_lost_its_lease_can_neither_report_nor_complete():
    run_id = queued_run()
    lost = claims.claim(run_id)
    assert lost is not None
    with write() as session:
        session.execute(update(Run).values(lease_until=now() - timedelta(seconds=1)))
    assert claims.sweep() == 1
    again = claims.claim(run_id)
    assert again is not None
    assert again.attempt == lost.attempt + 1
    with pytest.raises(LostLease):
        claims.renew(lost, Progress(1, 2))
    with pytest.raises(LostLease):
        _write_and_complete(lost)
    assert not claims.fail(lost, code="x", message="late")
    stored = reread(run_id)
    assert (stored.state, stored.title, stored.attempt) == (RunState.RUNNING, "Identify the pool", again.attempt)


def test_a_run_whose_worker_process_has_died_is_claimed_again_at_once():
    run_id = queued_run()
    dead = subprocess.run(
        [sys.executable, "-c", f"from app.runs.claims import claim; print(claim({run_id}).attempt)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    again = claims.claim(run_id)
    assert again is not None
    assert again.attempt == int(dead.stdout) + 1


def test_cancelling_a_queued_run_ends_it_and_a_late_message_does_nothing():
    run_id = queued_run()
    with write() as session:
        assert service.request_cancel(session, run_id, any_project(session)) == RunState.CANCELLED
    assert claims.claim(run_id) is None


def test_a_running_run_learns_of_cancel_and_stop_with_its_next_report():
    run_id = queued_run()
    claimed = claims.claim(run_id)
    assert claimed is not None
    with write() as session:
        service.request_stop(session, run_id, claimed.project_id)
    assert claims.renew(claimed, None).stop
    with write() as session:
        service.request_cancel(session, run_id, claimed.project_id)
    assert claims.renew(claimed, Progress(3, 10, "three", {"loss": 0.5})).cancel
    stored = reread(run_id)
    assert (stored.progress_done, stored.progress_total, stored.progress) == (3, 10, {"loss": 0.5})


def test_a_failed_run_can_be_resumed_and_an_ended_one_refuses_every_wish():
    run_id = queued_run()
    claimed = claims.claim(run_id)
    assert claimed is not None
    claims.fail(claimed, code="disk_full", message="The disk is full.")
    assert reread(run_id).error_message == "The disk is full."
    with write() as session:
        service.resume(session, run_id, claimed.project_id)
    again = claims.claim(run_id)
    assert again is not None
    with write() as session:
        claims.complete(session, again, result={"images": 3})
    with write() as session:
        for wish in (service.request_cancel, service.request_stop, service.resume):
            with pytest.raises(Conflict):
                wish(session, run_id, claimed.project_id)


def test_ten_thousand_wishes_for_the_same_work_wait_as_one_run():
    asked = {queued_run(coalesce_key="embed:1") for _ in range(10)}
    assert len(asked) == 1
    assert claims.claim(asked.pop()) is not None
    assert queued_run(coalesce_key="embed:1") not in asked


def test_an_unknown_kind_is_refused_with_the_rule_and_what_was_received():
    with pytest.raises(InvalidInput, match=r"training\.train.*received 'os\.system'"):
        queued_run(kind="os.system")


def test_only_transitions_of_the_table_are_possible():
    run_id = queued_run()
    for state, allowed in TRANSITIONS.items():
        for target in set(RunState) - allowed:
            with pytest.raises(ValueError, match="may not go"), write() as session:
                change_state(session, run_id, from_state=state, to_state=target, attempt=0, reason="never")


def test_the_sweep_announces_what_waited_too_long_and_leaves_fresh_runs_alone():
    run_id = queued_run()
    assert claims.sweep() == 0
    with write() as session:
        session.execute(update(Run).values(announced_at=now() - timedelta(hours=1)))
    assert claims.sweep() == 1
    assert reread(run_id).announced_at > now() - timedelta(minutes=1)
