"""The library's pages: the grid, one image, conflicts."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.core.clock import now
from app.core.database import read, write
from app.library import light_pages, queries
from app.library.duplicates import conflicting_groups
from app.library.filters import ImageFilter
from app.library.media import ImageId
from app.library.models import Origin
from app.library.service import settle_conflict
from app.library.words import QUALITY_WORDS, STATE_WORDS, YES_NO, Names, badges, chips
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
Key = Annotated[int | None, Query(ge=0, le=2**62)]
Size = Literal["s", "m", "l", "xl"]

_GROUPS: Final = 12
_PAGE_IMAGES: Final = {"s": 180, "m": 96, "l": 48, "xl": 24}
_FURTHER: Final = 180
_CHOICES: Final = {
    "states": [(state.value, word) for state, word in STATE_WORDS.items()],
    "origins": [("", "any"), *((origin.value, origin.value) for origin in Origin)],
    "qualities": [("", "any"), *QUALITY_WORDS.items()],
    "splits": [("", "any"), "train", "validation", "test", ("none", "not drawn yet")],
    "yes_no": list(YES_NO),
}


@router.get("/library")
def library(
    request: Request, access: Viewer, before: Key = None, after: Key = None, size: Size | None = None
) -> Response:
    """The grid, filtered by its address. Without a size, pictures are as large as they last were in this browser."""
    kept = request.cookies.get("winnow_size", "")
    shown = size or (kept if kept in _PAGE_IMAGES else "m")
    chosen = ImageFilter.from_query(request.query_params)
    path, project_id = f"/projects/{access.project.slug}/library", access.project.id
    with read() as session:
        context: dict[str, Any] = {
            "found": queries.page(session, project_id, chosen, before=before, after=after, limit=_PAGE_IMAGES[shown]),
            "total": queries.count(session, project_id, chosen),
            "by_state": queries.images_by_state(session, project_id),
            "names": (names := Names.of(session, project_id, chosen)),
        }
    context |= {"filter": chosen, "path": path, "size": size, "shown_size": shown, "badges": badges}
    context |= {"choices": _CHOICES, "seen_at": now().isoformat()}
    context["chips"] = chips(chosen, names, path, size=size)
    return render(request, "library/library.html", active="library", **context)


@router.get("/library/cells")
def cells(request: Request, access: Viewer, before: Key = None, after: Key = None, at: Key = None) -> Response:
    """A fragment: further cells of the grid, below `before`, above `after`, or from `at` on."""
    chosen, project_id = ImageFilter.from_query(request.query_params), access.project.id
    below = at + 1 if at is not None else before
    with read() as session:
        found = queries.page(session, project_id, chosen, before=below, after=after, limit=_FURTHER)
        names = Names.of(session, project_id)
    return render(request, "library/_cells.html", found=found, names=names, filter=chosen, badges=badges)


@router.get("/library/conflicts")
def conflicts_page(request: Request, access: Viewer) -> Response:
    """Labels that contradict each other: inside duplicate groups, and between an image and a later arrival."""
    with read() as session:
        context = _conflicts(session, access.project.id)
    return render(request, "library/conflicts.html", active="library", **context)


@router.get("/library/conflicts/list")
def conflicts_list(request: Request, access: Viewer) -> Response:
    """A fragment: the conflicts as they are now."""
    with read() as session:
        context = _conflicts(session, access.project.id)
    return render(request, "library/_conflicts.html", **context)


def _conflicts(session: Session, project_id: int) -> dict[str, Any]:
    groups = conflicting_groups(session, project_id, limit=_GROUPS)
    return {
        "groups": queries.group_members(session, groups),
        "arrivals": queries.open_conflicts(session, project_id),
        "names": Names.of(session, project_id),
    }


@router.post("/conflicts/{conflict_id}/settle")
def settle(access: Reviewer, conflict_id: ImageId) -> Response:
    """Keep the label that the image carries, against the one it arrived with."""
    with write() as session:
        image_id = settle_conflict(session, conflict_id, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/images/{image_id}", "Kept the label as it was.")


router.include_router(light_pages.router)
