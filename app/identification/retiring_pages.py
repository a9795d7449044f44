"""Pages of retiring: what an act offers, a class's retirements, retire, take back. Acting is the reviewer's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.identification import retiring
from app.identification.act_schemas import RetireForm
from app.labelling.classes import get_class
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/retirements", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
Id = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/offers")
def offers_part(request: Request, access: Reviewer, action: Annotated[int, Query(ge=1, le=2**62)]) -> Response:
    """A fragment: what an act that labelled real images lets retire, by class."""
    with read() as session:
        found = retiring.offers(session, action, project_id=access.project.id)
    return render(request, "identification/_offers.html", offers=found)


@router.get("/classes/{class_id}")
def class_part(request: Request, access: Viewer, class_id: Id) -> Response:
    """A fragment of the class's page: staged and synthetic images that count, and what was retired."""
    with read() as session:
        shown = get_class(session, project_id=access.project.id, class_id=class_id)
        left = retiring.retirable(session, access.project.id, class_id)
        lines = retiring.retirements(session, access.project.id, class_id)
    return render(request, "identification/_retiring.html", shown=shown, left=left, lines=lines)


@router.post("")
def retire(access: Reviewer, form: FormFields) -> Response:
    """Retire staged or synthetic images of a class, as one act."""
    sent = parsed(RetireForm, form)
    with write() as session:
        made = retiring.retire(
            session, project_id=access.project.id, class_id=sent.class_id, count=sent.count, user_id=access.user_id
        )
        images = made.images
    words = "1 image is" if images == 1 else f"{images:,} images are"
    return redirect(_page(access, sent.class_id), f"{words} retired: not usable any more, and kept. Undo is below.")


@router.post("/{retirement_id}/undo")
def undo(access: Reviewer, retirement_id: Id) -> Response:
    """Bring the images of a retirement back."""
    with write() as session:
        found = retiring.undo_retirement(session, retirement_id, project_id=access.project.id, user_id=access.user_id)
        images, class_id = found.images, found.class_id
    words = "1 image counts" if images == 1 else f"{images:,} images count"
    return redirect(_page(access, class_id), f"{words} as usable again.")


def _page(access: Access, class_id: int) -> str:
    return f"/projects/{access.project.slug}/classes/{class_id}"
