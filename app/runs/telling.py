"""Telling how runs end: who asked for one gets a notice, webhooks get an event.

The end itself leaves a row (`end_models`); it is told, and the row deleted, in one transaction. So a process that dies
loses nothing, and a run whose end was rolled back is not told. Training has words of its own (`training.ends`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.projects.notices import Tone, tell
from app.projects.webhook_events import announce_event
from app.runs.end_models import RunEnd
from app.runs.models import Run, RunState

AtEnd = Callable[[Session, Run], None]
"""What a domain does when a run of its kind has succeeded, in the transaction that tells of it."""

EVENT_OF_KIND: Final = {
    "training.train": "training.ended",
    "training.compress": "training.ended",
    "evaluation.evaluate": "evaluation.ended",
    "identification.identify": "identification.ended",
    "library.import": "import.ended",
    "exchange.export": "export.ended",
}
# A run that is done while one looks at its page is no news.
_LONG: Final = timedelta(seconds=60)
TOLD_AFTER: Final = {
    "identification.identify": timedelta(0),
    "evaluation.evaluate": _LONG,
    "library.import": _LONG,
    "exchange.export": _LONG,
    "exchange.relabel": _LONG,
    "labelling.act": _LONG,
}
_AT_ONCE: Final = 200
_TONES: Final[Mapping[str, Tone]] = {RunState.SUCCEEDED: "good", RunState.FAILED: "error", RunState.CANCELLED: "info"}


def tell_run_ends(at_end: Mapping[str, AtEnd] | None = None) -> int:
    """Tell what has ended since the last look, the oldest first; returns how many runs that was.

    `at_end` has what further follows from a success, by kind. Safe to run twice at once and at any time.
    """
    with read() as session:
        waiting = session.scalars(select(RunEnd.id).order_by(RunEnd.id).limit(_AT_ONCE)).all()
    for end_id in waiting:
        with write() as session:
            taken = delete(RunEnd).where(RunEnd.id == end_id).returning(RunEnd.run_id, RunEnd.attempt, RunEnd.state)
            end = session.execute(taken).one_or_none()
            if end is not None:
                _tell(session, session.get_one(Run, end.run_id), end.state, end.attempt, at_end or {})
    return len(waiting)


def _tell(session: Session, run: Run, state: str, attempt: int, at_end: Mapping[str, AtEnd]) -> None:
    if state == RunState.SUCCEEDED and run.kind in at_end:
        at_end[run.kind](session, run)
    if run.coalesce_key is not None and run.parameters.get("standing"):
        return  # Nobody asked for it, and it ends with each arrival.
    text, path, key = f"{run.title}: {_words(run, state)}", path_of(run), f"run:{run.id}:{attempt}:{state}"
    if run.kind in EVENT_OF_KIND:
        facts: Json = {"run_id": run.id, "kind": run.kind, "state": state, "result": run.result or {}}
        event = EVENT_OF_KIND[run.kind]
        announce_event(session, project_id=run.project_id, event=event, key=key, text=text, path=path, facts=facts)
    if _is_news(run, state):
        tell(
            session,
            project_id=run.project_id,
            user_ids=[run.created_by] if run.created_by is not None else [],
            text=text,
            path=path,
            tone=_TONES[state],
            key=key,
        )


def _is_news(run: Run, state: str) -> bool:
    """Whether who asked wants to know: not what they cancelled, what was over at once, or what follows another run."""
    if run.kind not in TOLD_AFTER or state == RunState.CANCELLED or run.follows_run_id is not None:
        return False
    if state == RunState.FAILED or run.started_at is None or run.finished_at is None:
        return True
    return run.finished_at - run.started_at >= TOLD_AFTER[run.kind]


def _words(run: Run, state: str) -> str:
    if state == RunState.FAILED:
        return f"failed. {run.error_message or ''}".strip()
    if state == RunState.CANCELLED:
        return "cancelled."
    result = run.result or {}
    images = result.get("images")
    counted = f", {images:,} {'image' if images == 1 else 'images'}" if isinstance(images, int) else ""
    found: dict[str, int] = result.get("candidates") or {}
    classes = "class" if len(found) == 1 else "classes"
    told = f"; {sum(found.values()):,} candidates for {len(found):,} {classes} below the cutoff" if found else ""
    return f"{'stopped early' if run.stopped_early else 'done'}{counted}{told}."


def path_of(run: Run) -> str:
    """Where a run's end is to be seen: its results, where it has any."""
    job_id = (run.result or {}).get("job_id")
    is_job = run.kind == "identification.identify" and run.state == RunState.SUCCEEDED and job_id
    return f"/identify/{job_id}" if is_job else f"/runs/{run.id}"
