"""Pages of acts on many results: accept above a confidence, mass removal, and the plans that come before both.

Planning and acting are the engineer's, as mass removal is (product.md §11): what nobody looks at rests on a threshold.
Everybody who may read sees what was planned.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import NotFound
from app.core.shares import Share
from app.identification import act_words, plan_files, sweeping
from app.identification.accepting import class_standing
from app.identification.act_schemas import MEASURES, AcceptAbove, Measure, RemoveBelow
from app.identification.binning import bins_of, request_bins
from app.identification.scope import job_scope
from app.identification.sweeping import Plan
from app.labelling.class_counts import class_rows
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/identify/{job_id}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
JobId = Annotated[int, Path(ge=1, le=2**62)]
RunId = Annotated[int, Path(ge=1, le=2**62)]
Seed = Annotated[int, Query(ge=0, le=2**31)]
SAMPLE: Final = 24
_CLASSES_SHOWN: Final = 100


@router.get("/above")
def above_page(request: Request, access: Viewer, job_id: JobId, class_id: int | None = None) -> Response:
    """The form that plans an acceptance, the classes that it would take, and earlier plans."""
    asked = AcceptAbove()
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        kinds = class_standing(session, scope, asked.multiple).kinds
        plans = sweeping.newest_plans(session, scope, "accept")
    context: dict[str, Any] = {"scope": scope, "kinds": kinds, "plans": plans, "asked": asked}
    context |= {"path": _path(access, job_id), "class_id": class_id if class_id in scope.names else None}
    return render(request, "identification/above.html", active="identify", **context)


@router.post("/above")
def plan_above(access: Engineer, job_id: JobId, form: FormFields) -> Response:
    """Queue a plan to accept above a confidence."""
    return _planned(access, job_id, parsed(AcceptAbove, {name: form[name] for name in form if form[name] != ""}))


@router.get("/removal")
def removal_page(
    request: Request,
    access: Viewer,
    job_id: JobId,
    measure: Measure = "confidence",
    below: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """How the scores lie, what would go below a threshold and what that costs in labelled images; earlier plans."""
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        bins = bins_of(session, scope, measure)
        plans = sweeping.newest_plans(session, scope, "remove")
    context: dict[str, Any] = {"scope": scope, "bins": bins, "plans": plans, "path": _path(access, job_id)}
    context |= {"measure": measure, "below": below, "measures": MEASURES, "words": act_words}
    if bins is not None:
        context |= {"would_go": bins.below(below), "columns": act_words.histogram(bins)}
    return render(request, "identification/removal.html", active="identify", **context)


@router.post("/removal")
def plan_removal(access: Engineer, job_id: JobId, form: FormFields) -> Response:
    """Queue a plan to remove what scores below a threshold."""
    return _planned(access, job_id, parsed(RemoveBelow, form))


@router.post("/removal/count")
def count_scores(access: Engineer, job_id: JobId) -> Response:
    """Count anew how the scores lie."""
    with write() as session:
        job_scope(session, job_id, access.project.id)
        request_bins(session, project_id=access.project.id, job_id=job_id, user_id=access.user_id)
    return redirect(f"{_path(access, job_id)}/removal", "The scores are being counted.", kind="info")


@router.get("/plans/{plan_run_id}")
def plan_page(request: Request, access: Viewer, job_id: JobId, plan_run_id: RunId, seed: Seed = 0) -> Response:
    """What a plan found, with a random sample of it; the button that does it."""
    return _shown(request, access, job_id, plan_run_id, seed, "plan.html")


@router.get("/plans/{plan_run_id}/part")
def plan_part(request: Request, access: Viewer, job_id: JobId, plan_run_id: RunId, seed: Seed = 0) -> Response:
    """The same as a fragment, asked for when the run's state changes."""
    return _shown(request, access, job_id, plan_run_id, seed, "_plan.html")


@router.post("/plans/{plan_run_id}/act")
def act(access: Engineer, job_id: JobId, plan_run_id: RunId) -> Response:
    """Do what a plan says: at once, or as a run for more images than one transaction takes."""
    with write() as session:
        plan = sweeping.get_plan(session, plan_run_id, job_id=job_id, project_id=access.project.id)
        done = sweeping.act_on_plan(session, plan, project_id=access.project.id, user_id=access.user_id)
    address = f"{_path(access, job_id)}/plans/{plan_run_id}"
    if isinstance(done, int):
        return redirect(f"/projects/{access.project.slug}/runs/{done}", "This goes on in the background.", kind="info")
    return redirect(address, act_words.done_words(plan.act, done), kind="warn" if done.skipped_count else "good")


def _path(access: Access, job_id: int) -> str:
    return f"/projects/{access.project.slug}/identify/{job_id}"


def _planned(access: Access, job_id: int, asked: AcceptAbove | RemoveBelow) -> Response:
    with write() as session:
        run_id = sweeping.request_plan(
            session, asked, job_id=job_id, project_id=access.project.id, user_id=access.user_id
        )
    return redirect(f"{_path(access, job_id)}/plans/{run_id}")


def _shown(request: Request, access: Access, job_id: int, run_id: int, seed: int, template: str) -> Response:
    with read() as session:
        scope = job_scope(session, job_id, access.project.id)
        plan = sweeping.get_plan(session, run_id, job_id=job_id, project_id=access.project.id)
        names = scope.names | {row.id: row.name for row in class_rows(session, access.project.id)}
        bins = bins_of(session, scope, plan.asked["measure"]) if plan.act == "remove" else None
    context: dict[str, Any] = {"scope": scope, "plan": plan, "seed": seed, "names": names, "words": act_words}
    context |= {"path": _path(access, job_id), "most_classes": _CLASSES_SHOWN, "sample": _sampled(plan, seed)}
    if bins is not None:
        context["cost"] = (bins.below(plan.asked["below"])[1], sum(bins.labelled))
    if plan.act == "accept" and plan.result:
        found = plan.result["precision"]
        context["precision"] = Share(found["hits"], found["total"], found["low"], found["high"])
    return render(request, f"identification/{template}", active="identify", **context)


def _sampled(plan: Plan, seed: int) -> list[int]:
    """Some images of what would be changed, drawn at random."""
    if plan.state != "succeeded" or not plan.result.get("taken"):
        return []
    try:
        return plan_files.sample(plan_files.taken(plan_files.frozen(plan.run_id)), SAMPLE, seed=seed)
    except NotFound:
        return []
