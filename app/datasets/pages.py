"""The page of data sets: cutoffs with what they would include as one moves them, freezing, what has leaked."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.datasets import queries
from app.datasets.forms import Cutoffs, PreviewQuery
from app.datasets.leaks import leaked_images
from app.datasets.listing import list_classes
from app.datasets.recount import LARGE, is_at_hand, recount
from app.datasets.schemas import SHARES, SPLITS, CutoffChoice
from app.datasets.service import LARGEST_CUTOFF, freeze, make_plan
from app.library.views import list_views
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/datasets", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
Key = Annotated[int | None, Query(ge=1, le=2**62)]

PAGE: Final = 20
LEAKED_PAGE: Final = 60
ASKED: Final = dict(zip(SPLITS, SHARES, strict=True))


@router.get("")
def datasets_page(request: Request, access: Viewer, before: Key = None) -> Response:
    """What a snapshot would hold now under cutoffs that one moves, and the newest snapshots."""
    asked = parsed(PreviewQuery, request.query_params)
    project_id = access.project.id
    with read() as session:
        is_slow = not is_at_hand(project_id) and queries.labelled_images(session, project_id) >= LARGE
    shown = {"recount": None} if is_slow and not asked.wait else _counted(access, asked)
    with read() as session:
        snapshots = queries.snapshot_list(session, project_id, before=before, limit=PAGE + 1)
        views = list_views(session, project_id)
    return render(
        request,
        "datasets/datasets.html",
        active="datasets",
        choice=asked.choice(access.project),
        query=asked,
        views=views,
        snapshots=snapshots[:PAGE],
        before=before,
        older=snapshots[PAGE - 1].id if len(snapshots) > PAGE else None,
        most=LARGEST_CUTOFF,
        **shown,
        asked=ASKED,
    )


@router.get("/preview")
def preview_part(request: Request, access: Viewer) -> Response:
    """The preview alone, for cutoffs as they are moved."""
    asked = parsed(PreviewQuery, request.query_params)
    return render(request, "datasets/_preview.html", query=asked, **_counted(access, asked), asked=ASKED)


@router.get("/totals")
def totals_part(request: Request, access: Viewer) -> Response:
    """One line of what the cutoffs take, for the form that starts a run."""
    choice = parsed(Cutoffs, request.query_params).choice(access.project)
    with read() as session:
        shown = recount(session, access.project.id, choice)
    return render(request, "datasets/_totals.html", preview=shown.preview)


@router.get("/leaked")
def leaked_page(request: Request, access: Viewer, after: Key = None) -> Response:
    """Images retired from measuring since they proved to be of a group on another side."""
    with read() as session:
        found = leaked_images(session, access.project.id, after=after, limit=LEAKED_PAGE + 1)
    following = found[LEAKED_PAGE - 1].image_id if len(found) > LEAKED_PAGE else None
    return render(
        request,
        "datasets/leaked.html",
        active="datasets",
        images=found[:LEAKED_PAGE],
        after=after,
        following=following,
    )


@router.post("")
def make_snapshot(access: Engineer, form: FormFields) -> Response:
    """Freeze a snapshot; an unchanged one is used again."""
    choice = parsed(Cutoffs, form).choice(access.project)
    given: dict[str, Any] = {
        "lower": choice.lower,
        "upper": choice.upper,
        "include_small": choice.include_small,
        "seed": choice.seed,
        "view_id": choice.view_id,
    }
    with read() as session:
        plan = make_plan(session, project_id=access.project.id, **given)
    with write() as session:
        snapshot = freeze(session, project_id=access.project.id, user_id=access.user_id, plan=plan, **given)
        snapshot_id = snapshot.id
    return redirect(f"/projects/{access.project.slug}/datasets/{snapshot_id}", f"Snapshot {snapshot_id} is there.")


def _counted(access: Access, asked: PreviewQuery) -> dict[str, Any]:
    """What the preview shows: the count, the classes of a page of it, and how its links are written."""
    choice: CutoffChoice = asked.choice(access.project)
    with read() as session:
        counted = recount(session, access.project.id, choice)
    here = f"/projects/{access.project.slug}/datasets"
    fixed = asked.model_copy(update={"lower": choice.lower, "upper": choice.upper, "wait": False})
    listing = list_classes(
        counted.preview, show=asked.show, sort=asked.sort, down=asked.down, find=asked.find, page=asked.page
    )

    def to(**changes: object) -> str:
        return f"{here}?{fixed.query_string(**{'page': 1, **changes})}"

    return {"recount": counted, "preview": counted.preview, "listing": listing, "to": to}
