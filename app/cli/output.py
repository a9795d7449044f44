"""What commands say: one JSON object with `--json`, plain lines otherwise; an exit status that tells the truth."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.waiting import console, wait_for
from app.core.database import Json, read
from app.core.errors import Conflict, InvalidInput, NotFound, WinnowError
from app.core.logging import configure_logging
from app.core.migrations import migrate
from app.projects.models import Project
from app.projects.queries import get_project
from app.runs.models import Run, RunState

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
ProjectName = Annotated[
    str, typer.Option("--project", "-p", help="The project's short name; may be left out if there is one.")
]


@contextmanager
def reported(*, as_json: bool) -> Iterator[None]:
    """Prepare logging and database; turn errors that a person can mend into a message and exit status 1."""
    configure_logging()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        migrate()
        yield
    except WinnowError as error:
        _give_up(error, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _give_up(error: WinnowError, *, as_json: bool) -> NoReturn:
    if as_json:
        print(json.dumps({"error": {"code": error.code, "message": error.message, "detail": error.detail}}))
    else:
        console.print(f"[bold red]Error:[/] {error.message}", highlight=False)
    raise typer.Exit(1) from None


def say(result: Json, *, as_json: bool, text: Callable[[Json], str]) -> None:
    """Print a command's result: the object itself, or `text` made of it."""
    print(json.dumps(result, default=str) if as_json else text(result))


def find_project(session: Session, slug: str) -> Project:
    """The project named, or the only one there is. Raises NotFound, and InvalidInput where a name is needed."""
    if slug:
        return get_project(session, slug)
    slugs = list(session.scalars(select(Project.slug).where(Project.archived_at.is_(None)).limit(20)))
    if len(slugs) == 1:
        return get_project(session, slugs[0])
    if not slugs:
        raise NotFound("there is no project yet: `winnow import FOLDER --project NAME` makes one")
    raise InvalidInput(f"say which project with --project; there are {', '.join(slugs)}")


def project_id_of(slug: str) -> int:
    """As `find_project`, the id alone, for a command that changes something. Raises Conflict where it is archived."""
    with read() as session:
        project = find_project(session, slug)
    require_open(project)
    return project.id


def require_open(project: Project) -> None:
    """Raises Conflict for an archived project."""
    if project.archived_at is not None:
        raise Conflict(f"{project.name} is archived and read-only: open it again in its settings", code="archived")


def ended(run_ids: list[int]) -> list[Run]:
    """Wait for runs; raises WinnowError with a run's own reason where one did not succeed."""
    runs = wait_for(run_ids)
    for run in runs:
        if run.state != RunState.SUCCEEDED:
            reason = run.error_message or f"it was {run.state}"
            raise WinnowError(f"run {run.id} ({run.title}) did not succeed: {reason}", code=run.error_code or run.state)
    return runs


def described(run: Run) -> Json:
    """A run as commands print it."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else None
    return {"run": run.id, "kind": run.kind, "state": run.state, "seconds": seconds, "result": run.result or {}}
