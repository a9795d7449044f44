"""Relabelling by an edited CSV file: asked for, compared, applied as one act that undo takes back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.texts import tr
from app.exchange.comparing import Plan, PlannedChange, plan_path
from app.labelling.actions import Heading
from app.labelling.class_names import class_named
from app.labelling.classes import ensure_class
from app.labelling.parts import apply_part, close_parts, left_by
from app.labelling.schemas import UNSET, ActionResult, Change
from app.library.uploads import StagedWriter, open_upload, staged_files, upload_folder
from app.runs.context import RunContext
from app.runs.models import Run, RunState
from app.runs.queries import RunView, run_view
from app.runs.service import request_run

COMPARE: Final = "exchange.compare"
RELABEL: Final = "exchange.relabel"
MAX_TABLE_BYTES: Final = 256 * 2**20
_PIECE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with the run that applied it, if one was asked for."""

    run: RunView
    applied: RunView | None

    @property
    def may_apply(self) -> bool:
        """Whether there is something to apply, and nobody has asked for it."""
        return self.run.state == RunState.SUCCEEDED and self.applied is None and bool(self.counts.get("changes"))

    @property
    def counts(self) -> dict[str, int]:
        """Rows by kind."""
        counts: dict[str, int] = self.run.result.get("counts", {})
        return counts


def stage_table(project_id: int, name: str, content: BinaryIO) -> str:
    """Keep a CSV file until it is compared; returns the upload's id. Raises InvalidInput, TooLarge."""
    upload_id = open_upload(project_id)
    with StagedWriter(upload_folder(upload_id, project_id), name=name, max_bytes=MAX_TABLE_BYTES) as staged:
        while piece := content.read(_PIECE):
            staged.write(piece)
    return upload_id


def request_comparison(session: Session, *, project_id: int, user_id: int | None, upload_id: str) -> int:
    """Queue a comparison of a staged table; returns its run. Raises NotFound."""
    files = staged_files(upload_folder(upload_id, project_id))
    if len(files) != 1:
        raise InvalidInput(tr("a comparison takes one CSV file; received %(count)s", count=len(files)))
    return request_run(
        session,
        project_id=project_id,
        kind=COMPARE,
        title=f"Compare {files[0].name}"[:200],
        parameters={"upload": upload_id, "name": files[0].name},
        created_by=user_id,
    )


def get_comparison(session: Session, project_id: int, run_id: int) -> Comparison:
    """A comparison of this project. Raises NotFound."""
    run = run_view(session, run_id, project_id)
    if run.kind != COMPARE:
        raise NotFound(tr("no comparison %(id)s in this project", id=run_id))
    key = _coalesce_key(run_id)
    applied = session.scalar(select(Run.id).where(Run.project_id == project_id, Run.coalesce_key == key))
    return Comparison(run, run_view(session, applied, project_id) if applied is not None else None)


def _coalesce_key(compare_run_id: int) -> str:
    return f"relabel:{compare_run_id}"


def request_relabelling(
    session: Session, *, project_id: int, user_id: int | None, compare_run_id: int, make_classes: bool
) -> int:
    """Queue what a comparison found; returns the run. Raises Conflict where it is applied already or finds nothing."""
    found = get_comparison(session, project_id, compare_run_id)
    if not found.may_apply:
        raise Conflict(tr("this comparison has nothing to apply, or was applied already"))
    return request_run(
        session,
        project_id=project_id,
        kind=RELABEL,
        title=f"Relabel by {found.run.parameters['name']}"[:200],
        parameters={
            "compare_run_id": compare_run_id,
            "name": found.run.parameters["name"],
            "make_classes": make_classes,
        },
        created_by=user_id,
        coalesce_key=_coalesce_key(compare_run_id),
    )


def relabel(context: RunContext) -> None:
    """Do a relabelling run: parts of one act, then the list of images that somebody changed meanwhile. Repeatable."""
    compare_run_id: int = context.parameters["compare_run_id"]
    path = plan_path(compare_run_id)
    if not path.is_file():
        raise NotFound("what the comparison found is gone; compare the file again")
    plan, name = Plan(path), context.parameters["name"]
    heading = Heading(
        context.project_id, context.created_by, "import", f"Relabelled by {name}"[:500], f"relabel:{compare_run_id}"
    )
    labels = _Labels(context.project_id, context.created_by, may_make=context.parameters["make_classes"])
    total, done, without_class = plan.count(), 0, 0
    for part in plan.parts():
        began = time.monotonic()
        with write() as session:
            changes = labels.changes(session, part)
            if changes:
                apply_part(session, heading, changes, how="import")
        time.sleep(time.monotonic() - began)  # others write as long as this did
        without_class += len(part) - len(changes)
        done += len(part)
        context.progress(done, total, "Relabelling")
    result = _close(context, plan, heading, labels)
    with write() as session:
        context.complete(session, {**_told(result), "without_class": without_class})
    plan.close()
    shutil.rmtree(path.parent, ignore_errors=True)


def _close(context: RunContext, plan: Plan, heading: Heading, labels: _Labels) -> ActionResult:
    with write() as session:
        action_id = close_parts(session, heading, []).action_id
    left: list[int] = []
    for part in plan.parts():
        with read() as session:
            tried = [planned.image_id for planned in part if labels.is_given(session, planned)]
            left += left_by(session, action_id, tried)
        context.raise_if_cancelled()
    with write() as session:
        return close_parts(session, heading, left)


def _told(result: ActionResult) -> Json:
    return {"action_id": result.action_id, "images": result.changed, "changed_meanwhile": result.skipped_count}


class _Labels:
    """Planned changes as labelling takes them, with the classes they name."""

    def __init__(self, project_id: int, user_id: int | None, *, may_make: bool) -> None:
        self._project_id, self._user_id, self._may_make = project_id, user_id, may_make

    def is_given(self, session: Session, planned: PlannedChange) -> bool:
        """Whether the class it names is there or may be made."""
        name = planned.wanted.class_name
        return name is None or self._may_make or class_named(session, self._project_id, name) is not None

    def changes(self, session: Session, part: Sequence[PlannedChange]) -> list[Change]:
        """Those whose class exists or may be made."""
        ids: dict[tuple[str, str | None], tuple[int, int | None]] = {}
        found = []
        for planned in part:
            key = (planned.wanted.class_name or "", planned.wanted.sub_class)
            if key not in ids and self.is_given(session, planned):
                named = key[0] and ensure_class(session, self._project_id, key[0], key[1], self._user_id)
                ids[key] = named or (0, None)
            if key in ids:
                found.append(_change(planned, ids[key]))
        return found


def _change(planned: PlannedChange, ids: tuple[int, int | None]) -> Change:
    asked = planned.wanted
    told: dict[str, Any] = {"to_state": asked.state} if asked.state else {}
    if asked.class_name:
        told = {"class_id": ids[0], "sub_class_id": UNSET if asked.sub_class is None else ids[1]}
    if asked.quality is not None:
        told["quality"] = asked.quality or None
    for name in ("rotation", "is_small_subject"):
        if (value := getattr(asked, name)) is not None:
            told[name] = value
    return Change(planned.image_id, **told, expected_version=planned.version)
