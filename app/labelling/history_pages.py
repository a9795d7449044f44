"""What was done: an image's history, acts with their undo, the settlement of conflicts."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.accounts.roles import allows
from app.core.database import read, write
from app.labelling import quality_checks, queries
from app.labelling.conflicts import take_new_label
from app.labelling.notes import notes_on
from app.labelling.undo import SHARED_KINDS
from app.labelling.words import HOW_WORDS
from app.library.service import get_image
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter()
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
RowId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]

_ACTIONS: Final = 50
_OVERTAKEN: Final = 20


@router.get("/images/{image_id}/history")
def image_history(request: Request, access: Viewer, image_id: RowId) -> Response:
    """A fragment: what happened to an image, newest first."""
    with read() as session:
        get_image(session, image_id, access.project.id)
        context: dict[str, Any] = {"events": queries.history_of(session, image_id)}
        context["notes"] = notes_on(session, access.project.id, [image_id]).get(image_id, [])
    context |= {"user_id": access.user_id, "shared": SHARED_KINDS}
    return render(request, "labelling/_history.html", how_words=HOW_WORDS, **context)


@router.get("/history")
def actions_page(request: Request, access: Viewer, by: Literal["mine", "all"] = "all", before: Key = None) -> Response:
    """Acts on labels and classes, with their undo."""
    mine = access.user_id if by == "mine" else None
    with read() as session:
        found = queries.actions(session, access.project.id, user_id=mine, before=before, limit=_ACTIONS)
        hides = not allows(access.role, "reviewer") and quality_checks.is_on(session, access.project.id)
    older = found[-1].id if len(found) == _ACTIONS else None
    context: dict[str, Any] = {"actions": found, "by": by, "before": before, "older": older, "hides_checks": hides}
    context |= {"user_id": access.user_id, "shared": SHARED_KINDS}
    return render(request, "labelling/actions.html", active="library", **context)


@router.get("/history/meanwhile")
def touched_by_both(request: Request, access: Viewer, before: Key = None) -> Response:
    """Images that an act left as they were, since somebody else had changed them: what was wanted, what stands."""
    with read() as session:
        found = queries.overtaken(session, access.project.id, before=before, limit=_OVERTAKEN)
    older = found[-1].id if len(found) == _OVERTAKEN else None
    context: dict[str, Any] = {"actions": found, "before": before, "older": older}
    return render(request, "labelling/meanwhile.html", active="library", **context)


@router.post("/conflicts/{conflict_id}/take")
def take(access: Reviewer, conflict_id: RowId) -> Response:
    """Give an image the label it arrived with later, and close the conflict."""
    with write() as session:
        take_new_label(session, conflict_id, project_id=access.project.id, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/library/conflicts", "Took the new label; History can undo it.")
