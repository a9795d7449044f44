"""Acts on many results: planned by a run, done on exactly the images that the plan froze, undone as one.

Up to 10,000 images are one transaction; more go on as a run, part by part under one act (`labelling/parts.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.core.database import Json, read, write
from app.core.errors import Conflict, NotFound
from app.identification import plan_files
from app.identification.accepting import plan_acceptance
from app.identification.act_schemas import AcceptAbove, RemoveBelow
from app.identification.binning import request_bins
from app.identification.removing import may_go, plan_removal
from app.identification.scope import JobScope, job_scope
from app.labelling.actions import Heading, perform
from app.labelling.models import LabelAction
from app.labelling.parts import action_of, close_parts, do_part, left_by, once_changed
from app.labelling.schemas import MAX_IMAGES, ActionResult, Change
from app.labelling.service import steps_of
from app.library.models import Image, ImageState
from app.runs.context import RunContext
from app.runs.models import Run, RunState
from app.runs.service import request_run

PLAN: Final = "identification.plan"
SWEEP: Final = "identification.sweep"
_PART: Final = 1000

ActName = Literal["accept", "remove"]
_WORK: Final = {"accept": plan_acceptance, "remove": plan_removal}
_TITLES: Final = {"accept": "Plan to accept above {:.0%}", "remove": "Plan to remove below {:.0%}"}


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan's run: what was asked, and once it has succeeded what it found. `action_id`: the act that was done."""

    run_id: int
    job_id: int
    act: ActName
    state: str
    done: int
    total: int
    error: str | None
    asked: Json
    result: Json
    action_id: int | None
    is_undone: bool

    @property
    def is_ready(self) -> bool:
        """Whether it can be acted on."""
        return self.state == RunState.SUCCEEDED and self.action_id is None and self.result.get("taken", 0) > 0

    @property
    def is_large(self) -> bool:
        """Whether acting takes a run."""
        return int(self.result.get("taken", 0)) > MAX_IMAGES


def request_plan(
    session: Session, asked: AcceptAbove | RemoveBelow, *, job_id: int, project_id: int, user_id: int | None
) -> int:
    """Queue a plan over a job's results; returns its run. Raises NotFound."""
    scope = job_scope(session, job_id, project_id)
    act = "accept" if isinstance(asked, AcceptAbove) else "remove"
    at = asked.confidence if isinstance(asked, AcceptAbove) else asked.below / 100
    return request_run(
        session,
        project_id=project_id,
        kind=PLAN,
        title=_TITLES[act].format(at),
        parameters={"act": act, "job_id": scope.job_id, "asked": asked.model_dump(exclude_none=True)},
        created_by=user_id,
        throwaway=False,
    )


def plan(context: RunContext) -> None:
    """The run kind `identification.plan`."""
    _WORK[context.parameters["act"]](context)


def get_plan(session: Session, run_id: int, *, job_id: int, project_id: int) -> Plan:
    """A plan over this job. Raises NotFound."""
    found = _plans(session, project_id, job_id, Run.id == run_id)
    if not found:
        raise NotFound(f"no plan {run_id} over these results")
    return found[0]


def newest_plans(session: Session, scope: JobScope, act: ActName, *, limit: int = 5) -> list[Plan]:
    """A job's plans for an act among the project's newest, newest first."""
    found = _plans(session, scope.project_id, scope.job_id, limit=50)
    return [each for each in found if each.act == act][:limit]


def _plans(
    session: Session, project_id: int, job_id: int, *conditions: ColumnElement[bool], limit: int = 1
) -> list[Plan]:
    query = select(Run).where(Run.project_id == project_id, Run.kind == PLAN, *conditions)
    runs = list(session.scalars(query.order_by(Run.id.desc()).limit(limit)))
    actions = {
        key: (action_id, undone is not None)
        for key, action_id, undone in session.execute(
            select(LabelAction.request_key, LabelAction.id, LabelAction.undone_by_action_id).where(
                LabelAction.request_key.in_([_key(run.id) for run in runs])
            )
        )
    }
    return [_plan(run, *actions.get(_key(run.id), (None, False))) for run in runs if run.parameters["job_id"] == job_id]


def _plan(run: Run, action_id: int | None, is_undone: bool) -> Plan:
    asked, result = run.parameters, run.result or {}
    figures = (run.state, run.progress_done, run.progress_total, run.error_message)
    return Plan(run.id, asked["job_id"], asked["act"], *figures, asked["asked"], result, action_id, is_undone)


def _key(run_id: int) -> str:
    return f"plan-run:{run_id}"


def act_on_plan(session: Session, plan: Plan, *, project_id: int, user_id: int) -> ActionResult | int:
    """Do what a plan says: the act's result, or for a large one the run that does it. Needs a write session.

    Raises Conflict where the plan is not ready: it was acted on before, found nothing, or has not ended.
    """
    if not plan.is_ready:
        raise Conflict("this plan was acted on, found nothing or has not ended; plan anew")
    if plan.is_large:
        return request_run(
            session,
            project_id=project_id,
            kind=SWEEP,
            title=_summary(session, plan, project_id),
            parameters={"plan_run_id": plan.run_id, "job_id": plan.job_id},
            created_by=user_id,
            coalesce_key=f"{SWEEP}:{plan.run_id}",
        )
    heading = Heading(project_id, user_id, _kind(plan), _summary(session, plan, project_id), _key(plan.run_id))
    changes = _changes(session, plan, project_id, plan_files.taken(plan_files.frozen(plan.run_id)))
    steps = steps_of(session, project_id, changes, conditions=_conditions(plan))
    result = perform(session, heading, how=_how(plan), steps=steps)
    request_bins(session, project_id=project_id, job_id=plan.job_id, user_id=user_id)
    return result


def sweep(context: RunContext) -> None:
    """The run kind `identification.sweep`: a large act, part by part. Repeatable, with the same images."""
    project_id, job_id = context.project_id, context.parameters["job_id"]
    with read() as session:
        plan = get_plan(session, context.parameters["plan_run_id"], job_id=job_id, project_id=project_id)
        summary = _summary(session, plan, project_id)
    images = plan_files.taken(plan_files.frozen(plan.run_id))
    heading = Heading(project_id, context.created_by, _kind(plan), summary, _key(plan.run_id))
    left: list[int] = []
    for start in range(0, len(images), _PART):
        part, began = images[start : start + _PART], time.monotonic()
        with write() as session:
            action = action_of(session, heading)
            conditions = (*_conditions(plan), ~once_changed(action))
            steps = steps_of(session, project_id, _changes(session, plan, project_id, part), conditions=conditions)
            do_part(session, action, steps, how=_how(plan))
            left += left_by(session, action.id, part["image_id"].tolist())
        context.progress(start + len(part), len(images), summary)
        time.sleep(time.monotonic() - began)  # others write as long as this did
    with write() as session:
        result = close_parts(session, heading, left)
        request_bins(session, project_id=project_id, job_id=job_id, user_id=context.created_by)
        told = {"action_id": result.action_id, "images": result.changed, "left_as_they_were": result.skipped_count}
        context.complete(session, told)


def _changes(session: Session, plan: Plan, project_id: int, images: plan_files.Frozen) -> list[Change]:
    rows = zip(*(images[name].tolist() for name in ("image_id", "version", "class_id", "score")), strict=True)
    if plan.act == "remove":
        state = ImageState.REMOVED.value
        return [Change(image_id, to_state=state, expected_version=version) for image_id, version, _, _ in rows]
    version_id = job_scope(session, plan.job_id, project_id).version.id
    return [
        Change(
            image_id,
            class_id=class_id,
            expected_version=version,
            suggested_by_version_id=version_id,
            suggestion_confidence=score,
        )
        for image_id, version, class_id, score in rows
    ]


def _conditions(plan: Plan) -> Sequence[ColumnElement[bool]]:
    """What must still hold of an image when its turn comes."""
    return (may_go(),) if plan.act == "remove" else (Image.state == ImageState.POOL,)


def _kind(plan: Plan) -> str:
    return plan.act


def _how(plan: Plan) -> str:
    return "accepted_suggestion" if plan.act == "accept" else "bulk"


def _summary(session: Session, plan: Plan, project_id: int) -> str:
    number = job_scope(session, plan.job_id, project_id).version.number
    taken = f"{plan.result['taken']:,}"
    if plan.act == "accept":
        return f"Accepted {taken} predictions of v{number} from {plan.asked['confidence']:.0%} on"
    return f"Removed {taken} images that v{number} gives less than {plan.asked['below']}% {plan.asked['measure']}"
