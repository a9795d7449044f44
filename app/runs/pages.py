"""Pages of runs: the list, one run live, and what one may ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.core.database import read, write
from app.runs import queries, service
from app.runs.advice import advice_for
from app.runs.feed import get_feed
from app.runs.kinds import RUN_KINDS
from app.runs.models import RunState
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/runs", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
RunId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]
LastEventId = Annotated[str, Header(alias="Last-Event-ID", max_length=40)]


def known_run(access: Viewer, run_id: RunId) -> int:
    """The id of a run of this project, checked before a stream begins. Raises NotFound."""
    with read() as session:
        return service.get_run(session, run_id, access.project.id).id


KnownRun = Annotated[int, Depends(known_run)]
PAGE = 50
DOMAIN_PARTS = {"training.compress": "compression", "training.train": "training"}
"""Run kinds whose domain shows a part of its own under the run's address, with css/NAME.css and js/NAME/run.js."""


@router.get("")
def runs_page(
    request: Request, access: Viewer, kind: str = "", state: RunState | Literal[""] = "", before: Key = None
) -> Response:
    """Runs of the project, newest first."""
    with read() as session:
        found = queries.newest_runs(session, access.project.id, before, PAGE + 1, kind, state)
    older = found[PAGE - 1].id if len(found) > PAGE else None
    shown: dict[str, Any] = {"runs": found[:PAGE], "older": older, "before": before, "kind": kind, "state": state}
    return render(request, "runs/runs.html", active="runs", kinds=RUN_KINDS.values(), states=list(RunState), **shown)


@router.get("/events", response_class=EventSourceResponse)
async def events_of_open_runs(access: Viewer) -> AsyncIterator[ServerSentEvent]:
    """What runs and waits now, as it changes, until all of it has ended."""
    run_ids = await run_in_threadpool(_open_run_ids, access.project.id)
    async with aclosing(get_feed().follow(run_ids)) as changes:
        async for view in changes:
            yield ServerSentEvent(event="run", data=view.to_public())
    yield ServerSentEvent(event="end", data={})


@router.get("/{run_id}")
def run_page(request: Request, access: Viewer, run_id: RunId) -> Response:
    """One run, whatever its kind."""
    return render(request, "runs/run.html", active="runs", **_run_context(access, run_id))


@router.get("/{run_id}/status")
def run_status(request: Request, access: Viewer, run_id: RunId) -> Response:
    """The part of a run's page that changes with its state."""
    return render(request, "runs/_status.html", **_run_context(access, run_id))


@router.get("/{run_id}/events", response_class=EventSourceResponse)
async def events_of_run(
    access: Viewer,  # noqa: ARG001 - the rule
    run_id: KnownRun,
    last_event_id: LastEventId = "",
) -> AsyncIterator[ServerSentEvent]:
    """The run's public state as it changes: events `run`, and `end` once it has ended."""
    async with aclosing(get_feed().follow([run_id], seen=last_event_id)) as changes:
        async for view in changes:
            yield ServerSentEvent(event="run", data=view.to_public(), id=view.mark)
    yield ServerSentEvent(event="end", data={})


@router.post("/{run_id}/cancel")
def cancel_run(access: Engineer, run_id: RunId) -> Response:
    """Cancel: what it made so far is discarded."""
    with write() as session:
        state = service.request_cancel(session, run_id, access.project.id)
    words = "Cancelled." if state == RunState.CANCELLED else "Cancelling: it ends at its next step."
    return redirect(_address(access, run_id), words, kind="info")


@router.post("/{run_id}/stop")
def stop_run(access: Engineer, run_id: RunId) -> Response:
    """Stop and keep the best so far."""
    with write() as session:
        service.request_stop(session, run_id, access.project.id)
    return redirect(_address(access, run_id))


@router.post("/{run_id}/resume")
def resume_run(access: Engineer, run_id: RunId) -> Response:
    """Queue a failed or cancelled run again."""
    with write() as session:
        service.resume(session, run_id, access.project.id)
    return redirect(_address(access, run_id), "Queued again: it goes on from its last finished step.")


def _address(access: Access, run_id: int) -> str:
    return f"/projects/{access.project.slug}/runs/{run_id}"


def _run_context(access: Access, run_id: int) -> dict[str, Any]:
    with read() as session:
        run = queries.run_view(session, run_id, access.project.id)
        return {
            "run": run,
            "transitions": queries.transitions(session, run_id),
            "following": queries.following_runs(session, run_id),
            "advice": advice_for(run.error_code),
            "own_part": DOMAIN_PARTS.get(run.kind),
        }


def _open_run_ids(project_id: int) -> list[int]:
    with read() as session:
        return [run.id for run in queries.open_runs(session, project_id)]
