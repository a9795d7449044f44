"""Waiting for runs on a terminal: a progress bar each, and a short-lived family where none is up."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy import select

from app.cli.family import Family, broker_member, data_folder_lock, is_family_up, worker_members
from app.core.database import read
from app.core.settings import get_settings
from app.runs.claims import sweep
from app.runs.lifecycle import ENDED
from app.runs.models import Run, RunState

POLL_SECONDS = 0.25
console = Console(stderr=True)


@contextmanager
def workers_at_hand() -> Iterator[None]:
    """Make sure that somebody takes the runs: the family that is up, a team's own workers, or a family for now."""
    if get_settings().broker_url or is_family_up():
        yield
        return
    with data_folder_lock():
        family = Family([broker_member(), *worker_members(with_beat=True)], tell=console.print)
        try:
            family.start()
            sweep()
            yield
        finally:
            family.stop()


def wait_for(run_ids: list[int]) -> list[Run]:
    """Show the progress of these runs until all have ended; returns them in the order given."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.fields[note]}"), console=console, disable=not sys.stderr.isatty()
    ) as bars:
        shown: dict[int, TaskID] = {}
        while True:
            with read() as session:
                found = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(run_ids)))}
                session.expunge_all()
            for run in found.values():
                if run.id not in shown:
                    shown[run.id] = bars.add_task(run.title, total=None, note="")
                total = run.progress_total or None
                done = total if run.state == RunState.SUCCEEDED and total else run.progress_done
                note = _note(run) if run.state == RunState.RUNNING else run.state
                bars.update(shown[run.id], total=total, completed=done or 0, note=note)
            if all(run.state in ENDED for run in found.values()):
                return [found[run_id] for run_id in run_ids]
            time.sleep(POLL_SECONDS)


def _note(run: Run) -> str:
    """What the work says of itself, with its rate and the time left where it tells them."""
    rate, left = run.progress.get("images_per_second"), run.progress.get("eta_seconds")
    parts = [run.progress_note, f"{rate:,.0f} images/s" if rate else "", f"{left:,.0f} s left" if left else ""]
    return ", ".join(part for part in parts if part)


def follow_ups_of(run_id: int) -> list[int]:
    """Runs that were requested when this one succeeded, oldest first."""
    with read() as session:
        return list(session.scalars(select(Run.id).where(Run.follows_run_id == run_id).order_by(Run.id)))
